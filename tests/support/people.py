"""One record of each vendor stream that can say something about a person, with a mark in each such place.

Written after the vendors' published references, not after our specs: Zendesk's OpenAPI file and the pages "Users",
"Tickets", "Via types", "Ticket Audits", "Incremental Exports"; ChartMogul's pages "Customer", "Contact", "Invoice",
"Activity", "Opportunity", "Customer Note", "Task". `PERSON` stands where a person is named, described or placed, `URL`
where an address holds a token, `CONTENT` where the vendor keeps what people write to each other, which stays.
"""

from __future__ import annotations

import json
from typing import Any

PERSON, URL, CONTENT = "a person", "url with a token", "content"

SENDER = {
    "channel": "email",
    "source": {
        "from": {
            "address": PERSON, "name": PERSON, "original_recipients": [PERSON, PERSON], "phone": PERSON,
            "formatted_phone": PERSON, "username": PERSON, "profile_url": PERSON, "service_info": PERSON,
        },
        "to": {"address": PERSON, "name": PERSON, "email_ccs": [PERSON, 7]},
        "rel": None,
    },
}  # fmt: skip
SYSTEM = {
    "client": PERSON, "ip_address": PERSON, "location": PERSON, "latitude": PERSON, "longitude": PERSON,
    "message_id": PERSON, "raw_email_identifier": PERSON, "json_email_identifier": PERSON,
}  # fmt: skip
ATTACHMENT = {
    "id": 3, "file_name": CONTENT, "content_url": URL, "mapped_content_url": URL,
    "thumbnails": [{"id": 4, "content_url": URL, "mapped_content_url": URL}],
}  # fmt: skip
EDITED = {"disabled_by": PERSON, "edit_history_summary": {"latest_edit_author": PERSON, "values_changed": {}}}

RECORDS: dict[str, dict[str, Any]] = {
    "zendesk.tickets": {
        "subject": CONTENT, "raw_subject": CONTENT, "description": CONTENT, "recipient": PERSON, "via": SENDER,
        "satisfaction_rating": {"id": 5, "score": "good", "comment": PERSON},
        "metadata": {"system": SYSTEM, "custom": {}},
        "custom_fields": [{"id": 6, "value": CONTENT}], "fields": [{"id": 6, "value": CONTENT}],
    },
    "zendesk.users": {
        "name": PERSON, "email": PERSON, "phone": PERSON, "alias": PERSON, "details": PERSON, "notes": PERSON,
        "signature": PERSON, "remote_photo_url": PERSON, "role": "end-user",
        "photo": {"id": 8, "file_name": PERSON, "content_url": PERSON, "thumbnails": [{"content_url": PERSON}]},
        "user_fields": {"born": PERSON, "size": 41.5, "lists": [PERSON]},
    },
    "zendesk.organizations": {"name": CONTENT, "details": PERSON, "notes": PERSON, "domain_names": [CONTENT]},
    "zendesk.ticket_events": {
        "ticket_id": 1, "system": SYSTEM, "metadata": {"system": SYSTEM}, "via": SENDER,
        "child_events": [
            {"id": 9, "via": "Web form", "event_type": "Comment", "body": CONTENT, "attachments": [ATTACHMENT]},
            {"id": 10, "via": SENDER, "metadata": {"system": SYSTEM}, "system": SYSTEM, "recipient": PERSON},
            {"id": 11, "event_type": "SmsNotification", "phone_number": PERSON},
            {"id": 12, "event_type": "VoiceComment", "data": {"from": PERSON, "to": PERSON, "location": PERSON,
                                                              "recording_url": PERSON, "transcription_text": PERSON}},
        ],
    },
    "zendesk.satisfaction_ratings": {"score": "bad", "comment": PERSON, "created_at": "2026-03-01T10:00:00Z"},
    "zendesk.deleted_tickets": {"subject": CONTENT, "actor": {"id": 13, "name": PERSON}},
    "zendesk.deleted_users": {"name": PERSON, "email": PERSON, "phone": PERSON, "photo": {"content_url": PERSON}},
    "chartmogul.customers": {
        "name": PERSON, "email": PERSON, "company": CONTENT, "city": PERSON, "state": PERSON, "zip": PERSON,
        "address": {"address_zip": PERSON, "city": PERSON, "state": PERSON, "country": "US"}, "country": "US",
        "chartmogul-url": PERSON,
        "attributes": {"tags": [CONTENT], "custom": {"CAC": 213}, "clearbit": {"name": PERSON, "geo": {"lat": PERSON}}},
    },
    "chartmogul.invoices": {**EDITED, "line_items": [EDITED, {"type": "one_time"}], "transactions": [EDITED]},
    "chartmogul.activities": {"customer-name": PERSON, "description": CONTENT, "date": "2026-03-01T10:00:00+00:00"},
    "chartmogul.contacts": {
        "first_name": PERSON, "last_name": PERSON, "email": PERSON, "phone": PERSON, "linked_in": PERSON,
        "twitter": PERSON, "notes": PERSON, "title": "CEO", "custom": {"birthday": PERSON},
    },
    "chartmogul.opportunities": {"owner": PERSON, "pipeline": CONTENT},
    "chartmogul.customer_notes": {"author": PERSON, "text": PERSON, "type": "call"},
    "chartmogul.tasks": {"assignee": PERSON, "task_details": PERSON},
}  # fmt: skip


class Marks:
    """Fills records with marks that stand nowhere else, and remembers them."""

    def __init__(self) -> None:
        self.people: list[str] = []
        self.urls: list[str] = []
        self.content: list[str] = []

    def fill(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: self.fill(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [self.fill(inner) for inner in value]
        for kind, marks in ((PERSON, self.people), (URL, self.urls), (CONTENT, self.content)):
            if value == kind:
                marks.append(f"{kind[0]}-mark-{len(marks)}-")
                return marks[-1]
        return value

    def record(self, name: str, **more: Any) -> str:
        return json.dumps(self.fill(RECORDS[name]) | more)
