-- Groups of agents. One row per group of the newest list.
with current_rows as (
    {{ current_snapshot('zendesk', 'groups', key=['id']) }}
)

select
    {{ integer('id') }} as group_id,
    {{ text('name') }} as group_name,
    {{ flag('is_public') }} as is_public,
    {{ moment('created_at') }} as created_at,
    {{ moment('updated_at') }} as updated_at,
    coalesce({{ flag('deleted') }}, false) as is_deleted,
    extracted_at
from current_rows
