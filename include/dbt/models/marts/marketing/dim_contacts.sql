-- One row per contact at a customer; people are known by hashes only. `zendesk_user_id` is the active user with the same
-- e-mail.
with users as (
    select email, user_id, last_login_at
    from {{ ref('stg_zendesk__users') }}
    where email is not null and not is_deleted
    qualify row_number() over (partition by email order by updated_at desc, user_id asc) = 1
)

select
    contacts.contact_uuid,
    contacts.customer_uuid,
    customers.account_id,
    customers.segment,
    customers.mrr_cents,
    contacts.email as email_hash,
    contacts.title,
    users.user_id as zendesk_user_id,
    users.last_login_at as support_last_login_at
from {{ ref('stg_chartmogul__contacts') }} as contacts
inner join {{ ref('dim_customers') }} as customers on contacts.customer_uuid = customers.customer_uuid
left join users on contacts.email = users.email
