{{ config(materialized='table') }}

-- The ChartMogul account itself: the currency of all amounts and the time zone in which days and months are counted.
-- One row.
with current_rows as (
    {{ current_snapshot('chartmogul', 'account', key=['id']) }}
)

select
    {{ text('id') }} as account_id,
    {{ text('name') }} as account_name,
    {{ text('currency') }} as currency,
    {{ text('time_zone') }} as time_zone,
    {{ text('week_start_on') }} as week_start_on,
    extracted_at
from current_rows
