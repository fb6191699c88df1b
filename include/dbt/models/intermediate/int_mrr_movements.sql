-- MRR movements with the day and month in the account's time zone, and what each did to the customer's MRR. One row per
-- activity. `customers_change` is 1 when the customer begins to pay, -1 when it stops: its sum is the number of customers.
with movements as (
    select
        activities.activity_uuid,
        activities.customer_uuid,
        activities.activity_type,
        activities.description,
        activities.subscription_external_id,
        activities.plan_external_id,
        activities.currency,
        activities.occurred_at,
        activities.mrr_movement_cents,
        convert_timezone('UTC', account.time_zone, activities.occurred_at)::date as occurred_on,
        sum(activities.mrr_movement_cents) over (
            partition by activities.customer_uuid
            order by activities.occurred_at, activities.activity_uuid
            rows between unbounded preceding and current row
        )::number(38, 0) as mrr_after_cents
    from {{ ref('stg_chartmogul__activities') }} as activities
    cross join {{ ref('stg_chartmogul__account') }} as account
)

select
    *,
    date_trunc('month', occurred_on)::date as month,
    mrr_after_cents - mrr_movement_cents as mrr_before_cents,
    iff(mrr_after_cents > 0, 1, 0) - iff(mrr_after_cents - mrr_movement_cents > 0, 1, 0) as customers_change
from movements
