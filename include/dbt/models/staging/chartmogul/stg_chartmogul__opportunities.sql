-- Sales opportunities. One row per opportunity.
with current_rows as (
    {{ current_snapshot('chartmogul', 'opportunities', key=['uuid']) }}
)

select
    {{ text('uuid') }} as opportunity_uuid,
    {{ text('customer_uuid') }} as customer_uuid,
    {{ text('owner') }} as owner_email,
    {{ text('pipeline') }} as pipeline,
    {{ text('pipeline_stage') }} as pipeline_stage,
    {{ day('estimated_close_date') }} as estimated_close_on,
    {{ text('currency') }} as currency,
    {{ integer('amount_in_cents') }} as amount_cents,
    {{ text('type') }} as opportunity_type,
    {{ text('forecast_category') }} as forecast_category,
    {{ integer('win_likelihood') }} as win_likelihood,
    {{ json('custom') }} as custom_attributes,
    {{ moment('created_at') }} as created_at,
    {{ moment('updated_at') }} as updated_at,
    extracted_at
from current_rows
