"""Invoices as ChartMogul shows them, with their line items and transactions.

The first line's `amount_in_cents` includes its tax: amount less tax, divided by the months of its period, is the MRR.
"""

from __future__ import annotations

from collections.abc import Iterator

from local.company.billing import Invoice, Line, billed_in, invoices
from local.company.book import PLANS, Customer
from local.company.ids import Ids
from local.company.moments import DAY, HOUR, utc_millis
from local.company.table import Record, Row, Table, versions


def invoice_table(ids: Ids, book: list[Customer], until: int) -> Table:
    """All invoices issued before `until`; `data` is (the invoice, the moment of the version)."""
    rows = (row for customer in book for row in _rows(ids, customer, until))
    return Table(rows, lambda row: _record(ids, row))


def _rows(ids: Ids, customer: Customer, until: int) -> Iterator[Row]:
    for invoice in invoices(ids.seed, customer, until):
        key = (ids.id("inv", invoice.external_id),)
        for since, end in versions(invoice.moments(), customer.deleted):
            yield Row((invoice.start, key[0], since), key, since, end, (invoice, since))


def _record(ids: Ids, row: Row) -> Record:
    invoice: Invoice = row.data[0]
    at = row.data[1]
    customer = invoice.customer
    lines = [_line(ids, invoice, line) for line in invoice.lines(at)]
    disabled = at >= invoice.disabled
    return {
        "uuid": row.key[0],
        "customer_uuid": ids.customer(customer, at),
        "data_source_uuid": ids.source(customer),
        "external_id": invoice.external_id,
        "date": utc_millis(invoice.start),
        "due_date": utc_millis(invoice.start + 14 * DAY) if invoice.number % 3 else None,
        "currency": billed_in(customer),
        "customer_external_id": customer.external_id,
        "collection_method": "manual" if customer.index % 2 else "automatic",
        "status": "paid" if at >= invoice.paid else "pending",
        "errors": {"line_items": ["service period overlaps another one"]} if invoice.invalid else {},
        "disabled": disabled,
        "disabled_at": utc_millis(invoice.disabled) if disabled else None,
        "disabled_by": "finance@catchment.example" if disabled else None,
        "user_created": False,
        "edit_history_summary": {},
        "line_items": lines,
        "transactions": _transactions(ids, invoice, at, sum(line["amount_in_cents"] for line in lines)),
    }


def _line(ids: Ids, invoice: Invoice, line: Line) -> Record:
    record: Record = {
        "uuid": ids.id("li", invoice.external_id, line.name),
        "external_id": None,
        "type": "one_time" if line.plan is None else "subscription",
        "amount_in_cents": line.net + line.tax,
        "quantity": line.quantity,
        "discount_code": "PSO86" if invoice.number == 1 and line.plan is not None else None,
        "discount_amount_in_cents": 0,
        "discount_description": None,
        "tax_amount_in_cents": line.tax,
        "transaction_fees_in_cents": 0,
        "transaction_fees_currency": billed_in(invoice.customer),
    }
    if line.plan is None:
        return record | {"description": line.text, "account_code": "007"}
    return record | {
        "subscription_uuid": ids.id("sub", invoice.sub.external_id),
        "subscription_external_id": invoice.sub.external_id,
        "subscription_set_external_id": None,
        "plan_uuid": ids.id("pl", PLANS[line.plan].external_id),
        "prorated": line.prorated,
        "service_period_start": utc_millis(line.start),
        "service_period_end": utc_millis(invoice.start if line.prorated else invoice.end),
        "account_code": f"00{invoice.sub.plan + 1}" if invoice.number % 2 else None,
    }


def _transactions(ids: Ids, invoice: Invoice, at: int, amount: int) -> list[Record]:
    moments = [
        (invoice.paid - HOUR, "payment", "failed") if invoice.failed_first else None,
        (invoice.paid, "payment", "successful"),
        (invoice.refunded, "refund", "successful"),
    ]
    return [
        {
            "uuid": ids.id("tr", invoice.external_id, number),
            "external_id": None,
            "type": kind,
            "date": utc_millis(when),
            "result": result,
            "amount_in_cents": amount,
        }
        for number, (when, kind, result) in enumerate(m for m in moments if m is not None)
        if at >= when
    ]
