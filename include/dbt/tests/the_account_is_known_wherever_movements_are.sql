-- Months are counted in the account's time zone: without exactly one account, every MRR model would be empty.
with accounts as (
    select count(*) as accounts from {{ ref('stg_chartmogul__account') }}
),

movements as (
    select count(*) as movements from {{ ref('stg_chartmogul__activities') }}
)

select accounts.accounts
from accounts
cross join movements
where accounts.accounts != 1 and movements.movements > 0
