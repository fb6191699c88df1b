{{ config(materialized='table') }}

-- Agents and end users. One row per user, the version updated last; personal fields are hashed before they are landed.
-- Deactivated users are kept and marked deleted.
with current_rows as (
    {{ newest_version('zendesk', 'users', key=['id'], version='updated_at') }}
)

select
    {{ integer('id') }} as user_id,
    {{ text('external_id') }} as external_id,
    {{ text('name') }} as user_name,
    {{ text('email') }} as email,
    {{ text('role') }} as role,
    {{ integer('organization_id') }} as organization_id,
    {{ text('time_zone') }} as time_zone,
    {{ text('locale') }} as locale,
    {{ flag('verified') }} as is_verified,
    {{ flag('suspended') }} as is_suspended,
    {{ json('tags') }} as tags,
    {{ json('user_fields') }} as user_fields,
    {{ moment('created_at') }} as created_at,
    {{ moment('updated_at') }} as updated_at,
    {{ moment('last_login_at') }} as last_login_at,
    coalesce({{ flag('active') }} = false, false) as is_deleted,
    extracted_at
from current_rows
