-- Metrics API: customers. One row per month; `metric_on` is the month's last day, or the day up
-- to which the running month is counted.
with current_rows as (
    {{ current_snapshot('chartmogul', 'metrics_customer_count', key=['date']) }}
)

select
    {{ day('date') }} as metric_on,
    {{ integer('customers') }} as customers,
    extracted_at
from current_rows
