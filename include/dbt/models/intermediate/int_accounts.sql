-- Who is who: one row per account of the company, which ChartMogul knows by a customer's external ids (several, when
-- customers were merged) and Zendesk by an organization's external id. Either side may be missing. A customer's own name
-- is hashed before it is landed (it may be a person's), so the account's is the company's: ChartMogul's, else Zendesk's.
with customer_ids as (
    select
        customers.customer_uuid,
        customers.company_name,
        customers.status,
        customers.mrr_cents,
        ids.value::varchar as account_id
    from {{ ref('stg_chartmogul__customers') }} as customers,
        lateral flatten(input => customers.external_ids) as ids
    union distinct
    select customer_uuid, company_name, status, mrr_cents, external_id as account_id
    from {{ ref('stg_chartmogul__customers') }}
),

-- An id that two data sources use belongs to the customer who pays.
customers as (
    select account_id, customer_uuid, company_name
    from customer_ids
    where account_id is not null
    qualify row_number() over (
        partition by account_id
        order by iff(status = 'Active', 0, 1) asc, mrr_cents desc nulls last, customer_uuid asc
    ) = 1
),

organizations as (
    select external_id as account_id, organization_id, organization_name
    from {{ ref('stg_zendesk__organizations') }}
    where external_id is not null and not is_deleted
    qualify row_number() over (partition by external_id order by organization_id) = 1
)

select
    customers.customer_uuid,
    organizations.organization_id,
    coalesce(customers.account_id, organizations.account_id) as account_id,
    coalesce(nullif(trim(customers.company_name), ''), organizations.organization_name) as account_name
from customers
full outer join organizations on customers.account_id = organizations.account_id
