-- SLA policies (a plan feature: empty where it was not bought). One row per policy of the newest list.
with current_rows as (
    {{ current_snapshot('zendesk', 'sla_policies', key=['id']) }}
)

select
    {{ integer('id') }} as sla_policy_id,
    {{ text('title') }} as policy_title,
    {{ text('description') }} as description,
    {{ integer('position') }} as position,
    {{ json('filter') }} as filter,
    {{ json('policy_metrics') }} as policy_metrics,
    {{ moment('created_at') }} as created_at,
    {{ moment('updated_at') }} as updated_at,
    extracted_at
from current_rows
