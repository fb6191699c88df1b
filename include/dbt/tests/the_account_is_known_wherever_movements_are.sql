-- Months are counted in the account's time zone: without exactly one account, every MRR model would be empty.
select count(*) as accounts
from {{ ref('stg_chartmogul__account') }}
having count(*) != 1 and exists (select 1 from {{ ref('stg_chartmogul__activities') }})
