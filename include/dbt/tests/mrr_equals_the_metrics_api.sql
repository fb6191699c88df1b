-- To the cent, in every month that can be compared: MRR, each of its five parts, and the number of customers.
-- Fails when ChartMogul recomputed history that was not read again: run the DAG chartmogul with mode "full".
select *
from {{ ref('rpt_mrr_reconciliation') }}
where
    is_comparable
    and (
        mrr_difference_cents != 0
        or new_business_difference_cents != 0
        or expansion_difference_cents != 0
        or contraction_difference_cents != 0
        or churn_difference_cents != 0
        or reactivation_difference_cents != 0
        or coalesce(customers_difference, 1) != 0
    )
