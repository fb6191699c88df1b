{{ config(severity='error', warn_if='!= 0', error_if='> 10') }}

-- Independent of the movements: each customer's active subscriptions add up to its MRR after its last movement. The two
-- are read minutes apart and movements end with the batch's interval, so a few customers may have moved in between.
with subscriptions as (
    select customer_uuid, sum(mrr_cents) as mrr_cents
    from {{ ref('fct_subscriptions') }}
    where is_active
    group by customer_uuid
),

movements as (
    select customer_uuid, sum(mrr_movement_cents) as mrr_cents
    from {{ ref('fct_mrr_movements') }}
    group by customer_uuid
)

select
    coalesce(subscriptions.customer_uuid, movements.customer_uuid) as customer_uuid,
    coalesce(subscriptions.mrr_cents, 0) as subscriptions_cents,
    coalesce(movements.mrr_cents, 0) as movements_cents
from subscriptions
full outer join movements on subscriptions.customer_uuid = movements.customer_uuid
where coalesce(subscriptions.mrr_cents, 0) != coalesce(movements.mrr_cents, 0)
