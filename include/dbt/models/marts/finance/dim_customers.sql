-- One row per customer in ChartMogul's newest snapshot, with its segment and who looks after it.
with accounts as (
    select
        customer_uuid,
        count(*) as accounts,
        max(organization_id) is not null as has_support_organization
    from {{ ref('int_accounts') }}
    where customer_uuid is not null
    group by customer_uuid
),

segments as (
    select customer_uuid, min(segment) as segment, min(owner) as owner
    from {{ ref('int_account_segments') }}
    where customer_uuid is not null
    group by customer_uuid
)

select
    customers.customer_uuid,
    customers.external_id as account_id,
    coalesce(nullif(trim(customers.company_name), ''), main_accounts.account_name) as customer_name,
    customers.status,
    customers.country,
    {{ region('customers.country') }} as region,
    customers.currency,
    customers.customer_since_at,
    customers.free_trial_started_at,
    customers.lead_created_at,
    coalesce(customers.mrr_cents, 0)::number(38, 0) as mrr_cents,
    coalesce(segments.segment, 'small') as segment,
    segments.owner,
    coalesce(accounts.accounts, 0)::number(38, 0) as accounts,
    coalesce(accounts.has_support_organization, false) as has_support_organization
from {{ ref('stg_chartmogul__customers') }} as customers
left join accounts on customers.customer_uuid = accounts.customer_uuid
left join segments on customers.customer_uuid = segments.customer_uuid
left join {{ ref('int_accounts') }} as main_accounts
    on customers.external_id = main_accounts.account_id and customers.customer_uuid = main_accounts.customer_uuid
