-- One row per feature and segment that product switched on, with the paying customers and the MRR that have it today.
with segments as (
    select
        segment,
        count_if(mrr_cents > 0) as paying_customers,
        sum(mrr_cents) as mrr_cents
    from {{ ref('dim_customers') }}
    group by segment
)

select
    flags.feature,
    flags.segment,
    flags.since,
    coalesce(segments.paying_customers, 0)::number(38, 0) as paying_customers,
    coalesce(segments.mrr_cents, 0)::number(38, 0) as mrr_cents
from {{ ref('stg_google_sheets__feature_flags_by_segment') }} as flags
left join segments on flags.segment = segments.segment
where flags.feature is not null and flags.segment is not null
