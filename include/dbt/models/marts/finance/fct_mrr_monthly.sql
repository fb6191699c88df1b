-- One row per month of the account's time zone: MRR at its end, the movements that made it, and customers. The running
-- month is there too, up to the last movement that was read.
with movements as (
    select
        month,
        {{ mrr_parts() }},
        sum(customers_change) as customers_change,
        count_if(movement_type = 'new_business') as new_customers,
        count_if(movement_type = 'churn') as churned_customers,
        count_if(movement_type = 'reactivation') as reactivated_customers
    from {{ ref('fct_mrr_movements') }}
    group by month
),

totals as (
    select
        months.month,
        months.is_complete,
        sum(coalesce(movements.net_change_cents, 0)) over (order by months.month)::number(38, 0) as mrr_cents,
        sum(coalesce(movements.customers_change, 0)) over (order by months.month)::number(38, 0) as customers,
        {%- for part in ['new_business_cents', 'expansion_cents', 'contraction_cents', 'churn_cents',
            'reactivation_cents', 'net_change_cents', 'new_customers', 'churned_customers', 'reactivated_customers'] %}
        coalesce(movements.{{ part }}, 0)::number(38, 0) as {{ part }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ ref('int_months') }} as months
    left join movements on months.month = movements.month
)

select
    month,
    is_complete,
    mrr_cents,
    new_business_cents,
    expansion_cents,
    contraction_cents,
    churn_cents,
    reactivation_cents,
    net_change_cents,
    mrr_cents * 12 as arr_cents,
    iff(customers > 0, round(mrr_cents / customers), null)::number(38, 0) as arpa_cents,
    customers,
    new_customers,
    churned_customers,
    reactivated_customers
from totals
