-- Metrics API: annual run rate. One row per month; `metric_on` is the month's last day, or the day up
-- to which the running month is counted.
with current_rows as (
    {{ current_snapshot('chartmogul', 'metrics_arr', key=['date']) }}
)

select
    {{ day('date') }} as metric_on,
    {{ integer('arr') }} as arr_cents,
    extracted_at
from current_rows
