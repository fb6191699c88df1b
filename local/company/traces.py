"""What of people shows in tickets and their events: who wrote from where, on which device, in which words.

Nobody here exists: mail addresses end in .example, IP addresses are of the blocks kept for documentation (RFC 5737,
RFC 3849). They are there so that a test can see where personal data leaks.
"""

from __future__ import annotations

from local.company.people import Person
from local.company.support import Ticket
from local.company.table import Record

SUPPORT = "support@catchment.example"


def via(ticket: Ticket, scrubbed: bool = False) -> Record:
    """How a ticket came in, with who sent it and to which address (Zendesk API reference, "Via object").

    E-mails and calls name both sides; the other channels name nobody. A scrubbed ticket forgets the sender.
    """
    one = ticket.requester
    sides: dict[str, tuple[Record, Record]] = {
        "email": (
            {"address": one.email, "name": one.name, "original_recipients": [one.email, SUPPORT]},
            {"address": SUPPORT, "name": "Catchment Support"},
        ),
        "voice": (
            {"formatted_phone": f"+49 30 {one.phone[5:]}", "phone": one.phone, "name": one.name},
            {"formatted_phone": "+49 30 901820", "phone": "+4930901820", "name": "Catchment", "brand_id": 360_001},
        ),
    }
    sender, receiver = ({}, {}) if scrubbed else sides.get(ticket.channel, ({}, {}))
    relation = "inbound" if ticket.channel == "voice" else None
    return {"channel": ticket.channel, "source": {"from": sender, "to": receiver, "rel": relation}}


def system(ticket: Ticket, by_agent: bool) -> Record:
    """Where an update came from (Zendesk API reference, "Ticket Audits", `metadata.system`)."""
    if by_agent:
        return {
            "client": "Mozilla/5.0 (X11; Linux x86_64)",
            "ip_address": f"192.0.2.{10 + ticket.agent}",
            "location": "Berlin, 16, Germany",
            "latitude": 52.52,
            "longitude": 13.405,
        }
    number = _number(ticket.requester)
    address = f"2001:db8::{number % 65_536:x}" if number % 5 == 0 else f"203.0.113.{number % 254 + 1}"
    city, _, country, _ = ticket.customer.place
    return {
        "client": "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X)",
        "ip_address": address,
        "location": f"{city}, {country}",
        "latitude": round(40 + number % 1000 / 100, 4),
        "longitude": round(-5 + number % 1700 / 100, 4),
    }


def praise(ticket: Ticket) -> str:
    """What a rating says; every other one names people, as such comments do."""
    if ticket.id % 2:
        return "Great support! 👍"
    return f"Great support! 👍 Call me: {ticket.requester.phone}. {ticket.requester.name}"


def _number(one: Person) -> int:
    return one.customer.index * 10 + one.number
