{{ config(materialized='table') }}

-- Changes of tickets, with the comments. One row per event; the export repeats events at page borders.
with current_rows as (
    {{ newest_version('zendesk', 'ticket_events', key=['id'], version='timestamp') }}
)

select
    {{ integer('id') }} as ticket_event_id,
    {{ integer('ticket_id') }} as ticket_id,
    {{ integer('updater_id') }} as updater_id,
    {{ text('via') }} as via,
    {{ text('event_type') }} as event_type,
    {{ moment('created_at') }} as created_at,
    to_timestamp_ntz({{ integer('timestamp') }}) as happened_at,
    {{ json('child_events') }} as child_events,
    extracted_at
from current_rows
