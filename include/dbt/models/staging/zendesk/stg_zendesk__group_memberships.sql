-- Which agent is in which group. One row per membership of the newest list.
with current_rows as (
    {{ current_snapshot('zendesk', 'group_memberships', key=['id']) }}
)

select
    {{ integer('id') }} as group_membership_id,
    {{ integer('user_id') }} as user_id,
    {{ integer('group_id') }} as group_id,
    {{ flag('default') }} as is_default,
    {{ moment('created_at') }} as created_at,
    {{ moment('updated_at') }} as updated_at,
    extracted_at
from current_rows
