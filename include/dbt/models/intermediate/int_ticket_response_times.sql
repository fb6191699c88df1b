-- How long a ticket's requester waited, in minutes of calendar time. One row per ticket. Zendesk's metric set says it;
-- where that was not sent, the ticket's metric events and its own dates do.
with replies as (
    select
        ticket_id,
        min(iff(event_type = 'activate', occurred_at, null)) as asked_at,
        min(iff(event_type = 'fulfill', occurred_at, null)) as replied_at
    from {{ ref('stg_zendesk__ticket_metric_events') }}
    where metric = 'reply_time' and instance = 1 and not is_deleted
    group by ticket_id
),

breaches as (
    select ticket_id, count(*) as sla_breaches
    from {{ ref('stg_zendesk__ticket_metric_events') }}
    where event_type = 'breach' and not is_deleted
    group by ticket_id
)

select
    tickets.ticket_id,
    tickets.first_reply_business_minutes,
    tickets.first_resolution_minutes,
    tickets.requester_wait_minutes,
    coalesce(tickets.first_reply_minutes, floor(datediff('second', replies.asked_at, replies.replied_at) / 60))::number(38, 0)
        as first_reply_minutes,
    coalesce(
        tickets.full_resolution_minutes,
        floor(datediff('second', tickets.created_at, tickets.solved_at) / 60)
    )::number(38, 0) as full_resolution_minutes,
    coalesce(breaches.sla_breaches, 0)::number(38, 0) as sla_breaches
from {{ ref('stg_zendesk__tickets') }} as tickets
left join replies on tickets.ticket_id = replies.ticket_id
left join breaches on tickets.ticket_id = breaches.ticket_id
