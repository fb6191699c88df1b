-- Groups of plans. One row per group.
with current_rows as (
    {{ current_snapshot('chartmogul', 'plan_groups', key=['uuid']) }}
)

select
    {{ text('uuid') }} as plan_group_uuid,
    {{ text('name') }} as plan_group_name,
    {{ integer('plans_count') }} as plans_count,
    extracted_at
from current_rows
