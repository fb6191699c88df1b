-- Metrics API: customer churn. One row per month; `metric_on` is the month's last day, or the day up
-- to which the running month is counted.
with current_rows as (
    {{ current_snapshot('chartmogul', 'metrics_customer_churn_rate', key=['date']) }}
)

select
    {{ day('date') }} as metric_on,
    {{ decimal('customer-churn-rate') }} as customer_churn_rate_percent,
    extracted_at
from current_rows
