"""Invoices as ChartMogul shows them, with their line items and transactions.

A line's `amount_in_cents` includes its tax: amount less tax, divided by the months of its period, is the MRR.
"""

from __future__ import annotations

from collections.abc import Iterator

from local.company.billing import TAX_PERCENT, Invoice, invoices
from local.company.book import PLANS, Customer
from local.company.ids import Ids
from local.company.moments import DAY, HOUR, utc_millis
from local.company.table import Record, Row, Table, versions

CURRENCY = "EUR"


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
    lines = _lines(ids, invoice, at)
    disabled = at >= invoice.disabled
    return {
        "uuid": row.key[0],
        "customer_uuid": ids.customer(customer, at),
        "data_source_uuid": ids.source(customer),
        "external_id": invoice.external_id,
        "date": utc_millis(invoice.start),
        "due_date": utc_millis(invoice.start + 14 * DAY) if invoice.number % 3 else None,
        "currency": CURRENCY,
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


def _lines(ids: Ids, invoice: Invoice, at: int) -> list[Record]:
    change, net = invoice.worth(at), invoice.net(at)
    tax = net * TAX_PERCENT // 100
    code = f"00{invoice.sub.plan + 1}" if invoice.number % 2 else None
    common = {"discount_description": None, "transaction_fees_in_cents": 0, "transaction_fees_currency": CURRENCY}
    lines: list[Record] = [
        {
            "uuid": ids.id("li", invoice.external_id, 1),
            "external_id": None,
            "type": "subscription",
            "subscription_uuid": ids.id("sub", invoice.sub.external_id),
            "subscription_external_id": invoice.sub.external_id,
            "subscription_set_external_id": None,
            "plan_uuid": ids.id("pl", PLANS[change.plan].external_id),
            "prorated": False,
            "service_period_start": utc_millis(invoice.start),
            "service_period_end": utc_millis(invoice.end),
            "amount_in_cents": net + tax,
            "quantity": change.seats,
            "discount_code": "PSO86" if invoice.number == 1 else None,
            "discount_amount_in_cents": 0,
            "tax_amount_in_cents": tax,
            "account_code": code,
            **common,
        }
    ]
    if invoice.setup_fee:
        lines.append(
            {
                "uuid": ids.id("li", invoice.external_id, 2),
                "external_id": None,
                "type": "one_time",
                "description": "Onboarding – größe L",
                "amount_in_cents": invoice.setup_fee,
                "quantity": 1,
                "discount_code": None,
                "discount_amount_in_cents": 0,
                "tax_amount_in_cents": 0,
                "account_code": "007",
                **common,
            }
        )
    return lines


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
