-- Tickets deleted in the last 30 days that can still be restored. One row per ticket of the newest list.
with current_rows as (
    {{ current_snapshot('zendesk', 'deleted_tickets', key=['id']) }}
)

select
    {{ integer('id') }} as ticket_id,
    {{ text('subject') }} as subject,
    {{ text('previous_state') }} as previous_state,
    {{ integer('actor.id') }} as deleted_by_user_id,
    {{ moment('deleted_at') }} as deleted_at,
    extracted_at
from current_rows
