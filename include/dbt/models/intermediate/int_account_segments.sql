-- The segment of each account: what sales wrote in the sheet, else the band of its customer's MRR. All accounts of one
-- customer are in one segment. One row per account.
with accounts as (
    select
        accounts.account_id,
        accounts.customer_uuid,
        coalesce(customers.mrr_cents, 0) as mrr_cents
    from {{ ref('int_accounts') }} as accounts
    left join {{ ref('stg_chartmogul__customers') }} as customers on accounts.customer_uuid = customers.customer_uuid
),

-- One account may be on the sheet under several codes; the last code counts. Names that are no segment are not used.
overrides as (
    select account_id, owner, iff(segment_override in ({{ quoted(var('segments')) }}), segment_override, null) as segment
    from {{ ref('stg_google_sheets__account_owners') }}
    where account_id is not null
    qualify row_number() over (partition by account_id order by account_code desc) = 1
)

select
    accounts.account_id,
    accounts.customer_uuid,
    accounts.mrr_cents,
    overrides.owner,
    min(overrides.segment) over (partition by coalesce(accounts.customer_uuid, accounts.account_id)) as segment_override,
    {{ segment_by_mrr('accounts.mrr_cents') }} as segment_by_mrr,
    coalesce(segment_override, segment_by_mrr) as segment
from accounts
left join overrides on accounts.account_id = overrides.account_id
