-- One row per invoice that counts (valid, not disabled), with what was billed, paid and refunded.
with billed as (
    select
        invoice_uuid,
        count(*) as line_items,
        sum(amount_cents) as amount_cents,
        sum(discount_cents) as discount_cents,
        sum(tax_cents) as tax_cents
    from {{ ref('fct_invoice_line_items') }}
    group by invoice_uuid
),

transactions as (
    select
        invoices.invoice_uuid,
        steps.value:"type"::varchar as transaction_type,
        steps.value:"result"::varchar as result,
        convert_timezone('UTC', try_cast(steps.value:"date"::varchar as timestamp_tz))::timestamp_ntz as happened_at,
        try_cast(steps.value:"amount_in_cents"::varchar as number(38, 0)) as amount_cents
    from {{ ref('stg_chartmogul__invoices') }} as invoices,
        lateral flatten(input => invoices.transactions) as steps
),

-- An older record says no amount in its transactions: then a payment or a refund is of the whole invoice.
settled as (
    select
        transactions.invoice_uuid,
        min(iff(transactions.transaction_type = 'payment', transactions.happened_at, null)) as paid_at,
        sum(iff(transactions.transaction_type = 'payment', coalesce(transactions.amount_cents, billed.amount_cents), 0))
            as paid_cents,
        sum(iff(transactions.transaction_type = 'refund', coalesce(transactions.amount_cents, billed.amount_cents), 0))
            as refunded_cents
    from transactions
    left join billed on transactions.invoice_uuid = billed.invoice_uuid
    where transactions.result = 'successful'
    group by transactions.invoice_uuid
)

select
    invoices.invoice_uuid,
    invoices.external_id,
    invoices.customer_uuid,
    invoices.status,
    invoices.invoiced_at,
    invoices.due_at,
    settled.paid_at,
    coalesce(billed.line_items, 0)::number(38, 0) as line_items,
    coalesce(billed.amount_cents, 0)::number(38, 0) as amount_cents,
    coalesce(billed.discount_cents, 0)::number(38, 0) as discount_cents,
    coalesce(billed.tax_cents, 0)::number(38, 0) as tax_cents,
    coalesce(settled.paid_cents, 0)::number(38, 0) as paid_cents,
    coalesce(settled.refunded_cents, 0)::number(38, 0) as refunded_cents,
    invoices.currency
from {{ ref('stg_chartmogul__invoices') }} as invoices
left join billed on invoices.invoice_uuid = billed.invoice_uuid
left join settled on invoices.invoice_uuid = settled.invoice_uuid
where {{ counts('invoices.') }}
