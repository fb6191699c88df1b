{{ config(materialized='table') }}

-- Customers, with leads and cancelled ones. One row per customer; merged and deleted customers are absent from the
-- newest snapshot and so from here. A merged customer has several external ids.
with current_rows as (
    {{ current_snapshot('chartmogul', 'customers', key=['uuid']) }}
)

select
    {{ text('uuid') }} as customer_uuid,
    {{ integer('id') }} as customer_number,
    {{ text('external_id') }} as external_id,
    {{ json('external_ids') }} as external_ids,
    {{ text('data_source_uuid') }} as data_source_uuid,
    {{ text('name') }} as customer_name,
    {{ text('company') }} as company_name,
    {{ text('email') }} as email,
    {{ text('status') }} as status,
    {{ moment('customer-since') }} as customer_since_at,
    {{ moment('lead_created_at') }} as lead_created_at,
    {{ moment('free_trial_started_at') }} as free_trial_started_at,
    {{ text('city') }} as city,
    {{ text('state') }} as state,
    {{ text('country') }} as country,
    {{ integer('mrr') }} as mrr_cents,
    {{ integer('arr') }} as arr_cents,
    {{ text('currency') }} as currency,
    {{ text('billing-system-type') }} as billing_system,
    {{ text('website_url') }} as website_url,
    {{ json('attributes.tags') }} as tags,
    {{ json('attributes.custom') }} as custom_attributes,
    extracted_at
from current_rows
