-- Ticket forms (a plan feature: empty where it was not bought). One row per form of the newest list.
with current_rows as (
    {{ current_snapshot('zendesk', 'ticket_forms', key=['id']) }}
)

select
    {{ integer('id') }} as ticket_form_id,
    {{ text('name') }} as form_name,
    {{ flag('active') }} as is_active,
    {{ flag('default') }} as is_default,
    {{ json('ticket_field_ids') }} as ticket_field_ids,
    {{ moment('created_at') }} as created_at,
    {{ moment('updated_at') }} as updated_at,
    extracted_at
from current_rows
