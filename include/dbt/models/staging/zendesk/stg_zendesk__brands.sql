-- Brands. One row per brand of the newest list.
with current_rows as (
    {{ current_snapshot('zendesk', 'brands', key=['id']) }}
)

select
    {{ integer('id') }} as brand_id,
    {{ text('name') }} as brand_name,
    {{ text('subdomain') }} as subdomain,
    {{ flag('active') }} as is_active,
    {{ flag('default') }} as is_default,
    {{ moment('created_at') }} as created_at,
    {{ moment('updated_at') }} as updated_at,
    coalesce({{ flag('is_deleted') }}, false) as is_deleted,
    extracted_at
from current_rows
