-- Business hours (a plan feature: empty where it was not bought). One row per schedule of the newest list.
with current_rows as (
    {{ current_snapshot('zendesk', 'schedules', key=['id']) }}
)

select
    {{ integer('id') }} as schedule_id,
    {{ text('name') }} as schedule_name,
    {{ text('time_zone') }} as time_zone,
    {{ json('intervals') }} as intervals,
    {{ moment('created_at') }} as created_at,
    {{ moment('updated_at') }} as updated_at,
    extracted_at
from current_rows
