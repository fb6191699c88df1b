{{ config(materialized='table') }}

-- Invoices, the invalid and disabled ones too. One row per invoice, with its line items and transactions as lists.
with current_rows as (
    {{ current_snapshot('chartmogul', 'invoices', key=['uuid']) }}
)

select
    {{ text('uuid') }} as invoice_uuid,
    {{ text('external_id') }} as external_id,
    {{ text('customer_uuid') }} as customer_uuid,
    {{ text('customer_external_id') }} as customer_external_id,
    {{ moment('date') }} as invoiced_at,
    {{ moment('due_date') }} as due_at,
    {{ text('currency') }} as currency,
    {{ text('collection_method') }} as collection_method,
    {{ text('status') }} as status,
    {{ flag('disabled') }} as is_disabled,
    {{ moment('disabled_at') }} as disabled_at,
    {{ json('errors') }} as errors,
    {{ json('line_items') }} as line_items,
    {{ json('transactions') }} as transactions,
    extracted_at
from current_rows
