-- Notes and calls that people logged on customers. One row per note.
with current_rows as (
    {{ current_snapshot('chartmogul', 'customer_notes', key=['uuid']) }}
)

select
    {{ text('uuid') }} as note_uuid,
    {{ text('customer_uuid') }} as customer_uuid,
    {{ text('type') }} as note_type,
    {{ text('text') }} as note_text,
    {{ text('author') }} as author,
    {{ integer('call_duration') }} as call_duration_seconds,
    {{ moment('created_at') }} as created_at,
    {{ moment('updated_at') }} as updated_at,
    extracted_at
from current_rows
