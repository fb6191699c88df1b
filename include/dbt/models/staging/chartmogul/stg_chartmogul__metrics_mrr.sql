-- Metrics API: MRR and the movements that made it. One row per month; `metric_on` is the month's last day, or the day up
-- to which the running month is counted.
with current_rows as (
    {{ current_snapshot('chartmogul', 'metrics_mrr', key=['date']) }}
)

select
    {{ day('date') }} as metric_on,
    {{ integer('mrr') }} as mrr_cents,
    {{ integer('mrr-new-business') }} as new_business_cents,
    {{ integer('mrr-expansion') }} as expansion_cents,
    {{ integer('mrr-contraction') }} as contraction_cents,
    {{ integer('mrr-churn') }} as churn_cents,
    {{ integer('mrr-reactivation') }} as reactivation_cents,
    extracted_at
from current_rows
