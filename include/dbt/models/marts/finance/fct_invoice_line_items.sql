-- One row per line item of an invoice that counts.
select
    items.value:"uuid"::varchar as line_item_uuid,
    invoices.invoice_uuid,
    invoices.customer_uuid,
    invoices.invoiced_at,
    items.value:"type"::varchar as line_item_type,
    items.value:"subscription_uuid"::varchar as subscription_uuid,
    items.value:"plan_uuid"::varchar as plan_uuid,
    coalesce(try_cast(items.value:"prorated"::varchar as boolean), false) as is_prorated,
    convert_timezone('UTC', try_cast(items.value:"service_period_start"::varchar as timestamp_tz))::timestamp_ntz
        as service_from,
    convert_timezone('UTC', try_cast(items.value:"service_period_end"::varchar as timestamp_tz))::timestamp_ntz
        as service_to,
    try_cast(items.value:"quantity"::varchar as number(38, 0)) as quantity,
    coalesce(try_cast(items.value:"amount_in_cents"::varchar as number(38, 0)), 0) as amount_cents,
    coalesce(try_cast(items.value:"discount_amount_in_cents"::varchar as number(38, 0)), 0) as discount_cents,
    coalesce(try_cast(items.value:"tax_amount_in_cents"::varchar as number(38, 0)), 0) as tax_cents,
    items.value:"discount_code"::varchar as discount_code,
    items.value:"account_code"::varchar as account_code,
    invoices.currency
from {{ ref('stg_chartmogul__invoices') }} as invoices,
    lateral flatten(input => invoices.line_items) as items
where {{ counts('invoices.') }}
