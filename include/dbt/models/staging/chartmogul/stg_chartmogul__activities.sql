{{ config(materialized='table') }}

-- MRR movements as ChartMogul computes them. One row per activity of the newest reading of its time: history is
-- recomputed by the vendor, and activities that vanished from a re-read window are gone from here.
with current_rows as (
    {{ current_window('chartmogul', 'activities', key=['uuid'], at='date') }}
)

select
    {{ text('uuid') }} as activity_uuid,
    {{ text('type') }} as activity_type,
    {{ text('description') }} as description,
    {{ moment('date') }} as occurred_at,
    {{ integer('activity-mrr-movement') }} as mrr_movement_cents,
    {{ integer('activity-mrr') }} as mrr_cents,
    {{ integer('activity-arr') }} as arr_cents,
    {{ text('currency') }} as currency,
    {{ text('customer-uuid') }} as customer_uuid,
    {{ text('customer-external-id') }} as customer_external_id,
    {{ text('customer-name') }} as customer_name,
    {{ text('subscription-external-id') }} as subscription_external_id,
    {{ text('subscription-set-external-id') }} as subscription_set_external_id,
    {{ text('plan-external-id') }} as plan_external_id,
    {{ text('billing-connector-uuid') }} as data_source_uuid,
    extracted_at
from current_rows
