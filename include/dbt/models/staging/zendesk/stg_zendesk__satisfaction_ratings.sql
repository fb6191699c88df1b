-- What requesters said of how their ticket was handled. One row per rating of the newest reading of its time,
-- the version updated last; comments are hashed before they are landed.
with current_rows as (
    {{ current_window('zendesk', 'satisfaction_ratings', key=['id'], at='created_at', version='updated_at') }}
)

select
    {{ integer('id') }} as satisfaction_rating_id,
    {{ integer('ticket_id') }} as ticket_id,
    {{ integer('requester_id') }} as requester_id,
    {{ integer('assignee_id') }} as assignee_id,
    {{ integer('group_id') }} as group_id,
    {{ text('score') }} as score,
    {{ text('comment') }} as rating_comment,
    {{ text('reason') }} as reason,
    {{ integer('reason_code') }} as reason_code,
    {{ moment('created_at') }} as created_at,
    {{ moment('updated_at') }} as updated_at,
    extracted_at
from current_rows
