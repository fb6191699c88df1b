-- Users deleted but not yet erased. One row per user of the newest list; personal fields are hashed before they are landed.
with current_rows as (
    {{ current_snapshot('zendesk', 'deleted_users', key=['id']) }}
)

select
    {{ integer('id') }} as user_id,
    {{ text('name') }} as user_name,
    {{ text('email') }} as email,
    {{ text('role') }} as role,
    {{ integer('organization_id') }} as organization_id,
    {{ moment('created_at') }} as created_at,
    {{ moment('updated_at') }} as updated_at,
    coalesce({{ flag('active') }}, false) as is_active,
    extracted_at
from current_rows
