-- The most used tags (a plan feature: empty where it was not bought). One row per tag of the newest list.
with current_rows as (
    {{ current_snapshot('zendesk', 'tags', key=['name']) }}
)

select
    {{ text('name') }} as tag,
    {{ integer('count') }} as uses,
    extracted_at
from current_rows
