-- Tickets and waiting times per month of creation (in the account's time zone) and segment.
select
    created_month as month,
    coalesce(segment, 'unknown') as segment,
    count(*)::number(38, 0) as tickets,
    count_if(is_solved)::number(38, 0) as solved_tickets,
    count(distinct account_id)::number(38, 0) as accounts,
    median(first_reply_minutes)::number(38, 1) as median_first_reply_minutes,
    avg(first_reply_minutes)::number(38, 1) as mean_first_reply_minutes,
    median(full_resolution_minutes)::number(38, 1) as median_full_resolution_minutes,
    sum(sla_breaches)::number(38, 0) as sla_breaches,
    count_if(satisfaction_score like 'good%')::number(38, 0) as good_ratings,
    count_if(satisfaction_score like 'bad%')::number(38, 0) as bad_ratings
from {{ ref('fct_tickets') }}
group by created_month, coalesce(segment, 'unknown')
