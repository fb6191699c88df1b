-- Our MRR and customers beside those of the Metrics API, and the differences: each must be 0. One row per month that the
-- API gave and that has movements. The API counts a running month up to `metric_on`, so our movements after that day are
-- taken off again. A month is comparable when movements were read at least as far as the API could know them.
with vendor as (
    select
        mrr.*,
        date_trunc('month', mrr.metric_on)::date as month,
        counts.customers
    from {{ ref('stg_chartmogul__metrics_mrr') }} as mrr
    left join {{ ref('stg_chartmogul__metrics_customer_count') }} as counts on mrr.metric_on = counts.metric_on
),

later as (
    select
        vendor.month,
        {{ mrr_parts('movements.') }},
        sum(movements.customers_change) as customers_change
    from {{ ref('fct_mrr_movements') }} as movements
    inner join vendor on movements.month = vendor.month and movements.occurred_on > vendor.metric_on
    group by vendor.month
),

compared as (
    select
        ours.month,
        vendor.metric_on,
        months.is_complete,
        months.covered_to >= least(
            vendor.extracted_at,
            convert_timezone(account.time_zone, 'UTC', dateadd('day', 1, vendor.metric_on)::timestamp_ntz)
        ) as is_comparable,
        ours.mrr_cents - coalesce(later.net_change_cents, 0) as mrr_cents,
        vendor.mrr_cents as vendor_mrr_cents,
        ours.customers - coalesce(later.customers_change, 0) as customers,
        vendor.customers as vendor_customers,
        {%- for part in ['new_business', 'expansion', 'contraction', 'churn', 'reactivation'] %}
        ours.{{ part }}_cents - coalesce(later.{{ part }}_cents, 0)
        {#- Losses are negative here, however the API writes them. #}
        - {{ '-abs(vendor.' ~ part ~ '_cents)' if part in ['contraction', 'churn'] else 'vendor.' ~ part ~ '_cents' }}
            as {{ part }}_difference_cents{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ ref('fct_mrr_monthly') }} as ours
    inner join vendor on ours.month = vendor.month
    inner join {{ ref('int_months') }} as months on ours.month = months.month
    cross join {{ ref('stg_chartmogul__account') }} as account
    left join later on ours.month = later.month
)

select
    month,
    metric_on,
    is_complete,
    is_comparable,
    mrr_cents::number(38, 0) as mrr_cents,
    vendor_mrr_cents,
    (mrr_cents - vendor_mrr_cents)::number(38, 0) as mrr_difference_cents,
    customers::number(38, 0) as customers,
    vendor_customers,
    (customers - vendor_customers)::number(38, 0) as customers_difference,
    new_business_difference_cents::number(38, 0) as new_business_difference_cents,
    expansion_difference_cents::number(38, 0) as expansion_difference_cents,
    contraction_difference_cents::number(38, 0) as contraction_difference_cents,
    churn_difference_cents::number(38, 0) as churn_difference_cents,
    reactivation_difference_cents::number(38, 0) as reactivation_difference_cents
from compared
