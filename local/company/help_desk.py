"""How the help desk is set up: users, groups, memberships, fields, forms, brands, tags, macros, policies, schedules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from local.company.moments import DAY, FOREVER, FOUNDED, HOUR, border_after, utc
from local.company.people import Person
from local.company.table import Record, Row, Table, versions

URL = "https://catchment.zendesk.example/api/v2"
AGENT_ID = 5_031_726_000
GROUP_ID = 98_700
MEMBERSHIP_ID = 461_000
ORGANIZATION_MEMBERSHIP_ID = 771_000_000
BRAND_ID = 360_001
AGENT_NAMES = ("Ada", "Bjørn", "Chiara", "Dmitri", "Eun-ji", "Farid", "Gloria", "Hiền")
GROUPS = ("Support", "Billing", "Technik", "Fax & Post")
ERASED = "Permanently Deleted User"
ERASED_AFTER = 40 * DAY
DELETED_USER_FIELDS = (
    "id", "url", "name", "email", "created_at", "updated_at", "time_zone", "phone", "shared_phone_number", "photo",
    "locale_id", "locale", "organization_id", "role", "active",
)  # fmt: skip
TICKET_FIELDS = (
    (27640, "subject", "Subject"),
    (27642, "text", "Code"),
    (27648, "tagger", "Produkt"),
    (27650, "integer", "Serial number"),
    (27652, "multiselect", "Ältere Version"),
)


@dataclass(frozen=True, slots=True)
class User:
    """An agent or an end user. `inactive` is when the user was deleted, softly."""

    id: int
    name: str
    email: str
    role: str
    created: int
    changed: int
    inactive: int
    one: Person | None
    organization_id: int | None

    @classmethod
    def agent(cls, number: int) -> User:
        left = FOUNDED + 800 * DAY if number == 7 else FOREVER
        role = "agent" if number else "admin"
        email = f"agent{number}@catchment.example"
        return cls(AGENT_ID + number, AGENT_NAMES[number], email, role, FOUNDED + number, FOREVER, left, None, None)

    @classmethod
    def person(cls, one: Person, number: int, organization_id: int) -> User:
        inactive = min(one.left, one.customer.deleted)
        created = one.created + HOUR
        return cls(number, one.name, one.email, "end-user", created, one.promoted, inactive, one, organization_id)

    def moments(self) -> list[int]:
        """When the user is made, changed, deactivated."""
        changes = {self.created, self.changed, self.inactive}
        return sorted(c for c in changes if self.created <= c < FOREVER)

    def record(self, at: int) -> Record:
        record: Record = {
            "id": self.id,
            "url": f"{URL}/users/{self.id}.json",
            "name": self.name,
            "email": self.email,
            "created_at": utc(self.created),
            "updated_at": utc(at),
            "time_zone": "Berlin",
            "iana_time_zone": "Europe/Berlin",
            "phone": f"+4930{self.id % 10**7:07d}{2 if at >= self.changed else 1}" if self.id % 3 else None,
            "shared_phone_number": None,
            "photo": None,
            "locale_id": 1,
            "locale": "en-US",
            "organization_id": self.organization_id,
            "role": self.role,
            "verified": self.id % 2 == 0,
            "external_id": None,
            "tags": [],
            "alias": "",
            "active": at < self.inactive,
            "shared": False,
            "shared_agent": False,
            "last_login_at": utc(self.created + DAY) if at > self.created + DAY else None,
            "two_factor_auth_enabled": None,
            "signature": None
            if self.one
            else f"-- \n{self.name}\nCatchment Support\n{self.email} · +49 30 9018 20{self.id % 10}",
            "details": "",
            "notes": f"prefers calls, ask for {self.name}" if self.one and self.id % 7 == 0 else "",
            "role_type": None if self.one else 0,
            "custom_role_id": None,
            "moderator": self.one is None,
            "ticket_restriction": "requested" if self.one else None,
            "only_private_comments": False,
            "restricted_agent": False,
            "suspended": self.id % 97 == 0,
            "default_group_id": None if self.one else GROUP_ID,
            "report_csv": self.role == "admin",
            "user_fields": {"badge": f"00{self.id % 10}", "vip": self.id % 11 == 0},
        }
        if self.one and self.id % 29 == 0:
            del record["phone"], record["user_fields"]
        return record


def help_desk_tables(users: list[User], until: int) -> dict[str, Table]:
    """The tables of all lists that are not about tickets."""

    def fixed(records: list[Record], field: str = "id") -> Table:
        return Table(
            (Row((0, n), (r[field],), FOUNDED, FOREVER, r) for n, r in enumerate(records)), lambda row: row.data
        )

    return {
        "groups": Table(_groups(), lambda row: row.data),
        "group_memberships": Table(_group_memberships(users), lambda row: row.data),
        "organization_memberships": Table(_organization_memberships(users), _organization_membership),
        "deleted_users": Table(_deleted_users(users), _deleted_user),
        "tags": Table(_tags(until), lambda row: row.data),
        "ticket_fields": fixed(_ticket_fields()),
        "ticket_forms": fixed([_form(47, "Default Form", True), _form(48, "Rückgabe", False)]),
        "brands": fixed([_brand(0, "Catchment"), _brand(1, "Catchment Labs 🧪")]),
        "macros": fixed([_macro(n) for n in range(5)]),
        "sla_policies": fixed([_sla_policy(1), _sla_policy(2)]),
        "schedules": fixed([_SCHEDULE]),
    }


def _groups() -> Iterator[Row]:
    for number, name in enumerate(GROUPS):
        moments = [FOUNDED, *{2: [FOUNDED + 600 * DAY], 3: [FOUNDED + 90 * DAY]}.get(number, [])]
        for since, until in versions(moments, FOREVER):
            key = GROUP_ID + number
            record = {
                "id": key,
                "url": f"{URL}/groups/{key}.json",
                "name": f"{name} 🔧" if number == 2 and since > FOUNDED else name,
                "description": "",
                "default": number == 0,
                "is_public": True,
                "deleted": number == 3 and since > FOUNDED,
                "created_at": utc(FOUNDED),
                "updated_at": utc(since),
            }
            yield Row((0, key, since), (key,), since, until, record)


def _group_memberships(users: list[User]) -> Iterator[Row]:
    agents = [u for u in users if u.one is None]
    for number, agent in enumerate(agents):
        key = MEMBERSHIP_ID + number
        record = {
            "id": key,
            "url": f"{URL}/group_memberships/{key}.json",
            "user_id": agent.id,
            "group_id": GROUP_ID + number % 3,
            "default": True,
            "created_at": utc(agent.created),
            "updated_at": utc(agent.created),
        }
        yield Row((0, key), (key,), agent.created, agent.inactive, record)


def _organization_memberships(users: list[User]) -> Iterator[Row]:
    for user in users:
        if user.one is not None:
            key = ORGANIZATION_MEMBERSHIP_ID + user.one.customer.index * 10 + user.one.number
            yield Row((0, key), (key,), user.created, user.inactive, user)


def _organization_membership(row: Row) -> Record:
    user: User = row.data
    return {
        "id": row.key[0],
        "url": f"{URL}/organization_memberships/{row.key[0]}.json",
        "user_id": user.id,
        "organization_id": user.organization_id,
        "default": True,
        "organization_name": user.one.customer.name if user.one else "",
        "view_tickets": False,
        "created_at": utc(user.created),
        "updated_at": utc(user.created),
    }


def _deleted_users(users: list[User]) -> Iterator[Row]:
    for user in users:
        if user.inactive < FOREVER:
            deleted = max(user.created, user.inactive)
            erased = deleted + ERASED_AFTER if user.id % 2 else FOREVER
            for since, until in versions([deleted, erased], FOREVER):
                yield Row((0, user.id, since), (user.id,), since, until, (user, since == erased))


def _deleted_user(row: Row) -> Record:
    """A deleted user; one deleted for good has a name that says so and nothing else (OpenAPI, deleted_users)."""
    user, erased = row.data
    record = user.record(row.since)
    shown = {name: record[name] for name in DELETED_USER_FIELDS if name in record}
    if erased:
        return {**dict.fromkeys(shown), "id": user.id, "url": shown["url"], "name": ERASED, "active": False}
    return shown


def _tags(until: int) -> Iterator[Row]:
    """A tag's count moves once a month."""
    borders = [FOUNDED]
    while borders[-1] < until:
        borders.append(border_after(borders[-1]))
    for number, name in enumerate(("enterprise", "größe", "paid", "migrated_2025", "🐛")):
        for month, (since, end) in enumerate(versions(borders, FOREVER)):
            yield Row((0, number, month), (name,), since, end, {"name": name, "count": (number + 1) * (month + 1)})


def _ticket_fields() -> list[Record]:
    return [
        {
            "id": number,
            "url": f"{URL}/ticket_fields/{number}.json",
            "type": kind,
            "title": title,
            "raw_title": title,
            "description": title,
            "raw_description": title,
            "position": position,
            "active": True,
            "required": False,
            "collapsed_for_agents": False,
            "regexp_for_validation": None,
            "title_in_portal": title,
            "raw_title_in_portal": title,
            "visible_in_portal": True,
            "editable_in_portal": position < 2,
            "required_in_portal": False,
            "tag": None,
            "created_at": utc(FOUNDED),
            "updated_at": utc(FOUNDED),
            "removable": position > 0,
            "agent_description": None,
        }
        for position, (number, kind, title) in enumerate(TICKET_FIELDS)
    ]


def _form(number: int, name: str, default: bool) -> Record:
    return {
        "id": number,
        "url": f"{URL}/ticket_forms/{number}.json",
        "name": name,
        "display_name": name,
        "raw_name": name,
        "position": number - 46,
        "active": True,
        "end_user_visible": True,
        "default": default,
        "in_all_brands": True,
        "restricted_brand_ids": [],
        "ticket_field_ids": [27640, 27642],
        "created_at": utc(FOUNDED),
        "updated_at": utc(FOUNDED),
    }


def _brand(number: int, name: str) -> Record:
    key = BRAND_ID + number
    return {
        "id": key,
        "url": f"{URL}/brands/{key}.json",
        "name": name,
        "brand_url": f"https://brand{number}.zendesk.example",
        "subdomain": f"brand{number}",
        "host_mapping": None,
        "has_help_center": number == 0,
        "help_center_state": "enabled" if number == 0 else "disabled",
        "active": True,
        "default": number == 0,
        "is_deleted": False,
        "logo": None,
        "ticket_form_ids": [47],
        "signature_template": "{{agent.signature}}",
        "created_at": utc(FOUNDED),
        "updated_at": utc(FOUNDED),
    }


def _macro(number: int) -> Record:
    key = 25_100 + number
    return {
        "id": key,
        "url": f"{URL}/macros/{key}.json",
        "title": f"Close and thank::{number}",
        "raw_title": f"Close and thank::{number}",
        "active": number != 4,
        "default": False,
        "description": None if number % 2 else "Setzt den Status auf „gelöst“",
        "position": number,
        "restriction": None,
        "actions": [
            {"field": "status", "value": "solved"},
            {"field": "comment_value", "value": ["channel:all", "Danke!"]},
        ],
        "created_at": utc(FOUNDED),
        "updated_at": utc(FOUNDED),
    }


def _sla_policy(number: int) -> Record:
    return {
        "id": 36_000 + number,
        "url": f"{URL}/slas/policies/{36_000 + number}.json",
        "title": f"Response time {number}",
        "description": "",
        "position": number,
        "filter": {"all": [{"field": "type", "operator": "is", "value": "incident"}], "any": []},
        "policy_metrics": [
            {"priority": "high", "metric": "first_reply_time", "target": 60 * number, "business_hours": False}
        ],
        "created_at": utc(FOUNDED),
        "updated_at": utc(FOUNDED),
    }


_SCHEDULE: Record = {
    "id": 7_100,
    "name": "Öffnungszeiten",
    "time_zone": "Berlin",
    "intervals": [{"start_time": 1980 + 1440 * day, "end_time": 2460 + 1440 * day} for day in range(5)],
    "created_at": utc(FOUNDED),
    "updated_at": utc(FOUNDED),
}
