-- Metrics API: the main metrics side by side. One row per month; `metric_on` is the month's last day, or the day up
-- to which the running month is counted.
with current_rows as (
    {{ current_snapshot('chartmogul', 'metrics_all', key=['date']) }}
)

select
    {{ day('date') }} as metric_on,
    {{ integer('mrr') }} as mrr_cents,
    {{ integer('arr') }} as arr_cents,
    {{ integer('customers') }} as customers,
    {{ integer('arpa') }} as arpa_cents,
    {{ integer('asp') }} as asp_cents,
    {{ decimal('ltv') }} as ltv_cents,
    {{ decimal('customer-churn-rate') }} as customer_churn_rate_percent,
    {{ decimal('mrr-churn-rate') }} as mrr_churn_rate_percent,
    extracted_at
from current_rows
