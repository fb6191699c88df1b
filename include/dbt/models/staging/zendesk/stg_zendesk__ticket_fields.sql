-- Fields that a ticket can have, custom ones included. One row per field of the newest list.
with current_rows as (
    {{ current_snapshot('zendesk', 'ticket_fields', key=['id']) }}
)

select
    {{ integer('id') }} as ticket_field_id,
    {{ text('type') }} as field_type,
    {{ text('title') }} as field_title,
    {{ flag('active') }} as is_active,
    {{ flag('required') }} as is_required,
    {{ json('custom_field_options') }} as custom_field_options,
    {{ moment('created_at') }} as created_at,
    {{ moment('updated_at') }} as updated_at,
    extracted_at
from current_rows
