{{ config(materialized='table') }}

-- Steps of a ticket's clocks (reply time, agent work time, ...). One row per step; `instance` counts the measurings of
-- one metric on one ticket. Breaches that were taken back are kept and marked deleted.
with current_rows as (
    {{ newest_version('zendesk', 'ticket_metric_events', key=['id'], version='time') }}
)

select
    {{ integer('id') }} as ticket_metric_event_id,
    {{ integer('ticket_id') }} as ticket_id,
    {{ text('metric') }} as metric,
    {{ integer('instance_id') }} as instance,
    {{ text('type') }} as event_type,
    {{ moment('time') }} as occurred_at,
    {{ integer('status.calendar') }} as calendar_minutes,
    {{ integer('status.business') }} as business_minutes,
    coalesce({{ flag('deleted') }}, false) as is_deleted,
    extracted_at
from current_rows
