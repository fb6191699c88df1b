-- What teams planned beside what happened: one row per month, team and metric of the sales planning sheet. `actual` is
-- NULL where the metric's name is none that we count, or the month has not begun.
with facts as (
    select
        month,
        {%- for part in ['mrr', 'new_business', 'expansion', 'churn', 'net_change', 'arr'] %}
        {{ part }}_cents / 100 as {{ part }},
        {%- endfor %}
        customers,
        new_customers
    from {{ ref('fct_mrr_monthly') }}
),

support as (
    select
        created_month as month,
        count_if(is_solved) as solved_tickets,
        median(first_reply_minutes) as median_first_reply_minutes
    from {{ ref('fct_tickets') }}
    group by created_month
),

actuals as (
    {%- for metric in ['mrr', 'new_business', 'expansion', 'churn', 'net_change', 'arr', 'customers', 'new_customers'] %}
    select month, '{{ metric }}' as metric, {{ metric }}::number(38, 2) as actual from facts
    union all
    {%- endfor %}
    select month, 'solved_tickets' as metric, solved_tickets::number(38, 2) as actual from support
    union all
    select month, 'median_first_reply_minutes' as metric, median_first_reply_minutes::number(38, 2) as actual from support
)

select
    targets.month,
    targets.team,
    targets.metric,
    targets.owner,
    targets.target,
    actuals.actual,
    iff(targets.target > 0, round(100 * actuals.actual / targets.target, 1), null)::number(38, 1) as attained_percent
from {{ ref('stg_google_sheets__team_targets') }} as targets
left join actuals on targets.month = actuals.month and targets.metric = actuals.metric
where targets.month is not null
