-- Which plan is in which group. One row per group and plan.
with current_rows as (
    {{ current_snapshot('chartmogul', 'plan_group_plans', key=['parent.plan_group_uuid', 'uuid']) }}
)

select
    {{ text('parent.plan_group_uuid') }} as plan_group_uuid,
    {{ text('uuid') }} as plan_uuid,
    {{ text('external_id') }} as plan_external_id,
    {{ text('name') }} as plan_name,
    extracted_at
from current_rows
