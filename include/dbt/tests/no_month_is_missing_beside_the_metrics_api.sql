-- Every complete month with movements is in the Metrics API's answer; without this, an empty comparison would be equal.
select months.month
from {{ ref('fct_mrr_monthly') }} as months
left join {{ ref('rpt_mrr_reconciliation') }} as compared on months.month = compared.month
where months.is_complete and compared.month is null
