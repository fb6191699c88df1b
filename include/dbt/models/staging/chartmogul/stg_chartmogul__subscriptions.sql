-- Subscriptions, read customer by customer. One row per subscription; `mrr_cents` is what it is worth while active.
with current_rows as (
    {{ current_snapshot('chartmogul', 'subscriptions', key=['uuid']) }}
)

select
    {{ text('uuid') }} as subscription_uuid,
    {{ integer('id') }} as subscription_number,
    {{ text('external_id') }} as external_id,
    {{ text('parent.customer_uuid') }} as customer_uuid,
    {{ text('plan') }} as plan_name,
    {{ integer('quantity') }} as quantity,
    {{ integer('mrr') }} as mrr_cents,
    {{ integer('arr') }} as arr_cents,
    {{ text('status') }} as status,
    {{ text('billing-cycle') }} as billing_cycle,
    {{ integer('billing-cycle-count') }} as billing_cycle_count,
    {{ moment('start-date') }} as started_at,
    {{ moment('end-date') }} as ended_at,
    {{ text('currency') }} as currency,
    extracted_at
from current_rows
