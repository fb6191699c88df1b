-- One row per subscription of a customer in the newest snapshot.
select
    subscriptions.subscription_uuid,
    subscriptions.external_id,
    subscriptions.customer_uuid,
    subscriptions.plan_name,
    subscriptions.quantity,
    subscriptions.status,
    coalesce(subscriptions.status = 'active', false) as is_active,
    coalesce(subscriptions.mrr_cents, 0) as mrr_cents,
    subscriptions.billing_cycle,
    subscriptions.billing_cycle_count,
    subscriptions.currency,
    subscriptions.started_at,
    subscriptions.ended_at
from {{ ref('stg_chartmogul__subscriptions') }} as subscriptions
inner join {{ ref('stg_chartmogul__customers') }} as customers on subscriptions.customer_uuid = customers.customer_uuid
