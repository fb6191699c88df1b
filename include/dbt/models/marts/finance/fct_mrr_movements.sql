-- One row per movement of a customer's MRR. Its day and month are those of the account's time zone.
select
    activity_uuid,
    customer_uuid,
    case activity_type when 'new_biz' then 'new_business' else activity_type end as movement_type,
    occurred_at,
    occurred_on,
    month,
    mrr_movement_cents,
    mrr_before_cents,
    mrr_after_cents,
    customers_change::number(38, 0) as customers_change,
    currency,
    plan_external_id,
    subscription_external_id,
    description
from {{ ref('int_mrr_movements') }}
