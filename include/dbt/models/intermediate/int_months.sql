-- Months from the first MRR movement to the last one that was read, in the account's time zone. One row per month;
-- `is_complete` says that movements were read up to its end.
with covered as (
    select max(window_to) as covered_to
    from {{ source('catchment', 'ledger') }}
    where source = 'chartmogul' and stream = 'activities'
),

span as (
    select
        account.time_zone,
        covered.covered_to,
        (select min(month) from {{ ref('int_mrr_movements') }}) as first_month,
        date_trunc('month', convert_timezone('UTC', account.time_zone, dateadd('second', -1, covered.covered_to)))::date
            as last_month
    from covered
    cross join {{ ref('stg_chartmogul__account') }} as account
),

numbers as (
    select row_number() over (order by seq4()) - 1 as number from table(generator(rowcount => 1200))
),

months as (
    select
        span.time_zone,
        span.covered_to,
        dateadd('month', numbers.number, span.first_month)::date as month
    from span
    inner join numbers on numbers.number <= datediff('month', span.first_month, span.last_month)
)

select
    month,
    covered_to,
    convert_timezone(time_zone, 'UTC', month::timestamp_ntz) as starts_at,
    convert_timezone(time_zone, 'UTC', dateadd('month', 1, month)::timestamp_ntz) as ends_at,
    convert_timezone(time_zone, 'UTC', dateadd('month', 1, month)::timestamp_ntz) <= covered_to as is_complete
from months
