-- Metrics API: average revenue per account. One row per month; `metric_on` is the month's last day, or the day up
-- to which the running month is counted.
with current_rows as (
    {{ current_snapshot('chartmogul', 'metrics_arpa', key=['date']) }}
)

select
    {{ day('date') }} as metric_on,
    {{ integer('arpa') }} as arpa_cents,
    extracted_at
from current_rows
