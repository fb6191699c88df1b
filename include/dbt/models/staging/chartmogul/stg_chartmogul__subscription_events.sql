-- What billing systems said happened to subscriptions. One row per event. Its dates carry no zone and are UTC.
with current_rows as (
    {{ current_snapshot('chartmogul', 'subscription_events', key=['id']) }}
)

select
    {{ integer('id') }} as subscription_event_id,
    {{ text('external_id') }} as external_id,
    {{ text('event_type') }} as event_type,
    {{ text('data_source_uuid') }} as data_source_uuid,
    {{ text('customer_external_id') }} as customer_external_id,
    {{ text('subscription_external_id') }} as subscription_external_id,
    {{ text('subscription_set_external_id') }} as subscription_set_external_id,
    {{ text('plan_external_id') }} as plan_external_id,
    {{ utc_moment('event_date') }} as event_at,
    {{ utc_moment('effective_date') }} as effective_at,
    {{ integer('quantity') }} as quantity,
    {{ text('currency') }} as currency,
    {{ integer('amount_in_cents') }} as amount_cents,
    extracted_at
from current_rows
