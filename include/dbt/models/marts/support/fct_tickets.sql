-- One row per ticket that was not deleted, with its account, the account's segment today, and how long it took.
select
    tickets.ticket_id,
    organizations.external_id as account_id,
    accounts.customer_uuid,
    segments.segment,
    tickets.organization_id,
    tickets.status,
    coalesce(tickets.status in ('solved', 'closed'), false) as is_solved,
    tickets.priority,
    tickets.ticket_type,
    tickets.channel,
    groups.group_name,
    tickets.assignee_id,
    tickets.requester_id,
    tickets.created_at,
    date_trunc('month', convert_timezone('UTC', account.time_zone, tickets.created_at))::date as created_month,
    tickets.updated_at,
    tickets.solved_at,
    times.first_reply_minutes,
    times.first_reply_business_minutes,
    times.first_resolution_minutes,
    times.full_resolution_minutes,
    times.requester_wait_minutes,
    times.sla_breaches,
    tickets.replies,
    tickets.reopens,
    tickets.satisfaction_score
from {{ ref('stg_zendesk__tickets') }} as tickets
cross join {{ ref('stg_chartmogul__account') }} as account
inner join {{ ref('int_ticket_response_times') }} as times on tickets.ticket_id = times.ticket_id
left join {{ ref('stg_zendesk__deleted_tickets') }} as deleted on tickets.ticket_id = deleted.ticket_id
left join {{ ref('stg_zendesk__organizations') }} as organizations on tickets.organization_id = organizations.organization_id
left join {{ ref('int_accounts') }} as accounts on organizations.external_id = accounts.account_id
left join {{ ref('int_account_segments') }} as segments on organizations.external_id = segments.account_id
left join {{ ref('stg_zendesk__groups') }} as groups on tickets.group_id = groups.group_id
where not tickets.is_deleted and deleted.ticket_id is null
