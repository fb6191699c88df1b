-- Prepared answers and actions. One row per macro of the newest list.
with current_rows as (
    {{ current_snapshot('zendesk', 'macros', key=['id']) }}
)

select
    {{ integer('id') }} as macro_id,
    {{ text('title') }} as macro_title,
    {{ flag('active') }} as is_active,
    {{ text('description') }} as description,
    {{ json('actions') }} as actions,
    {{ json('restriction') }} as restriction,
    {{ moment('created_at') }} as created_at,
    {{ moment('updated_at') }} as updated_at,
    extracted_at
from current_rows
