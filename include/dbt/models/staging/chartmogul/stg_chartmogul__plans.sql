-- Plans that customers subscribe to. One row per plan.
with current_rows as (
    {{ current_snapshot('chartmogul', 'plans', key=['uuid']) }}
)

select
    {{ text('uuid') }} as plan_uuid,
    {{ text('external_id') }} as external_id,
    {{ text('data_source_uuid') }} as data_source_uuid,
    {{ text('name') }} as plan_name,
    {{ integer('interval_count') }} as interval_count,
    {{ text('interval_unit') }} as interval_unit,
    extracted_at
from current_rows
