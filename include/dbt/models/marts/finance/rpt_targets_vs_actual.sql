-- What sales planned beside what happened: one row per month, team and metric of the sales planning sheet. A team that is
-- a region is measured by the movements of that region's customers, the team `all` by those of all. A target whose month,
-- team or metric was not read is not here; the test `cells_are_read` names its row.
{%- set metrics = {
    'new_mrr': 'new_business_cents / 100',
    'expansion_mrr': 'expansion_cents / 100',
    'churned_mrr': '-churn_cents / 100',
    'net_new_mrr': 'net_change_cents / 100',
    'new_customers': 'new_customers',
} %}
with movements as (
    select
        movements.month,
        movements.movement_type,
        movements.mrr_movement_cents,
        movements.customers_change,
        coalesce(customers.region, 'unknown') as region
    from {{ ref('fct_mrr_movements') }} as movements
    left join {{ ref('dim_customers') }} as customers on movements.customer_uuid = customers.customer_uuid
),

months as (
    {%- for region in ['region', "'all' as region"] %}
    select
        month,
        {{ region }},
        {{ mrr_parts() }},
        count_if(movement_type = 'new_business') as new_customers
    from movements
    group by month, {{ region.split(' as ')[0] }}
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

-- Amounts are typed in units of the currency, not in cents.
actuals as (
    {%- for metric, value in metrics.items() %}
    select month, region, '{{ metric }}' as metric, ({{ value }})::number(38, 2) as actual from months
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

-- A month that has begun is worth 0 to a team until something moves.
compared as (
    select
        targets.month,
        targets.team,
        targets.metric,
        targets.owner,
        targets.target,
        iff(
            months.month is not null and targets.metric in ({{ quoted(metrics.keys()) }}),
            coalesce(actuals.actual, 0),
            null
        )::number(38, 2) as actual
    from {{ ref('stg_google_sheets__team_targets') }} as targets
    left join {{ ref('int_months') }} as months on targets.month = months.month
    left join actuals
        on
            targets.month = actuals.month
            and targets.metric = actuals.metric
            and targets.team = actuals.region
    where targets.month is not null and targets.team is not null and targets.metric is not null
)

select
    month,
    team,
    metric,
    owner,
    target,
    actual,
    iff(target > 0, round(100 * actual / target, 1), null)::number(38, 1) as attained_percent
from compared
