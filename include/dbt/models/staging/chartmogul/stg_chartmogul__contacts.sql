-- People at customers. One row per contact; names, e-mail and phone are hashed before they are landed.
with current_rows as (
    {{ current_snapshot('chartmogul', 'contacts', key=['uuid']) }}
)

select
    {{ text('uuid') }} as contact_uuid,
    {{ text('external_id') }} as external_id,
    {{ text('customer_uuid') }} as customer_uuid,
    {{ text('customer_external_id') }} as customer_external_id,
    {{ text('data_source_uuid') }} as data_source_uuid,
    {{ text('first_name') }} as first_name,
    {{ text('last_name') }} as last_name,
    {{ integer('position') }} as position,
    {{ text('title') }} as title,
    {{ text('email') }} as email,
    {{ text('phone') }} as phone,
    {{ json('custom') }} as custom_attributes,
    extracted_at
from current_rows
