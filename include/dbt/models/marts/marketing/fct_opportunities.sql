-- One row per sales opportunity of a customer in the newest snapshot.
select
    opportunities.opportunity_uuid,
    opportunities.customer_uuid,
    customers.segment,
    opportunities.pipeline,
    opportunities.pipeline_stage,
    opportunities.opportunity_type,
    opportunities.forecast_category,
    opportunities.win_likelihood,
    opportunities.estimated_close_on,
    opportunities.amount_cents,
    opportunities.currency,
    opportunities.created_at,
    opportunities.updated_at
from {{ ref('stg_chartmogul__opportunities') }} as opportunities
inner join {{ ref('dim_customers') }} as customers on opportunities.customer_uuid = customers.customer_uuid
