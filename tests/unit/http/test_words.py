"""What of a vendor's error is shown: the words that are meant for it, without the people in them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catchment.http.vocabulary import TITLED
from catchment.http.words import LONGEST, masked, said


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ({"error": "InvalidThing", "description": "no"}, '("InvalidThing: no")'),
        ({"errors": {"name": "Has already been taken."}}, '("name: Has already been taken.")'),
        ({"errors": {"email": ["is invalid", "is too long"]}}, '("email: is invalid")'),
        ({"code": 400, "message": "Parameter is missing"}, '("Parameter is missing")'),
        (
            {"error": {"code": 403, "message": "The caller has no permission", "status": "PERMISSION_DENIED"}},
            '("PERMISSION_DENIED: The caller has no permission")',
        ),
        ({"errors": [{"status": "422", "title": "Bad", "detail": "page[size] > 100"}]}, "422: Bad: page[size] > 100"),
        ({"error": {"type": "invalid_request_error", "message": "No such plan"}}, "invalid_request_error: No such"),
        ({"message": "Not Found", "documentation_url": "https://docs.example"}, '("Not Found")'),
        (
            {"error": "RecordInvalid", "details": {"base": [{"description": "Cursor is too old"}]}},
            "RecordInvalid: base: Cursor is too old",
        ),
    ],
)
def test_the_vendors_own_words_are_shown(body: Any, shown: str) -> None:
    """The shapes are those of Zendesk, ChartMogul, Google, JSON:API, Stripe and GitHub."""
    assert shown in said(msgspec.json.encode(body))


@pytest.mark.parametrize("body", [b"", b"<html>Ann Doe</html>", b"[]", b"{}", b"null", b"\xff", b'{"id": 7}'])
def test_what_is_not_meant_for_a_message_is_not_shown(body: bytes) -> None:
    assert said(body) == ""


def test_a_record_that_comes_with_an_error_is_not_shown() -> None:
    """infiniflow/ragflow PR 15464: the first 200 bytes of an error's body were logged, records of people among them."""
    body = {"error": "Invalid", "record": {"name": "Ann Doe", "phone": "x"}, "user": "Ann Doe"}
    assert said(msgspec.json.encode(body)) == ' ("Invalid")'


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ann.doe+x@mail.example.com is taken", "<e-mail> is taken"),
        ("Email: (ann@example.com) is taken", "Email: (<e-mail>) is taken"),
        ("all recipients were rejected: 554 <ann@example.com>", "all recipients were rejected: 554 <<e-mail>>"),
        ("it is '@a.example", "it is <e-mail>"),
        ("who is o'neil@a.example or 'ann@a.example'?", "who is <e-mail> or <value>?"),
        ("call +49 (30) 1234-5678 now", "call <number> now"),
        ("no phone 030/1234567", "no phone <number>"),
        ("name 'Ann O''Neil' is taken", "name <value><value> is taken"),
        ('name "Ann Doe" is taken', "name <value> is taken"),
        ("name “Ann Doe” or ‘Ann’ is taken", "name <value> or <value> is taken"),
        ("the caller doesn't have what it's asked for", "the caller doesn't have what it's asked for"),
        ("since 2026-11-22T02:00:00 at most 1000 in 60 s", "since 2026-11-22T02:00:00 at most 1000 in 60 s"),
        ("two\nlines", "two lines"),
        ("API key sk-test-4eC39HqLyjWDarjtT1zdp7dc is invalid", "API key <token> is invalid"),
        ("Invalid key 0123456789abcdef0123456789abcdef-us5", "Invalid key <token>"),
        ("token eyJhbGciOiJIUzI1NiJ9aa.eyJzdWIiOiIxMjM0NTY3.c2lnbmF0dXJlMTIzNDU2Nzg", "token <token>.<token>.<token>"),
        ("GET https://v.example/things?token=abc&x=1 failed", "GET https://v.example/things?<query> failed"),
        ("no such field: subscription_billing_address", "no such field: subscription_billing_address"),
    ],
)
def test_people_and_quoted_values_are_masked(text: str, shown: str) -> None:
    """fedeostan/capo-v1 #173: a vendor's error text names the phone number that it could not reach.

    Unstructured-IO/unstructured-api PR 578, drewm/mailchimp-api #229: a 401 repeats the key. liwala/ay-framework #352:
    an error repeats the address that was asked for, whose query holds the token.
    """
    assert masked(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("User Jane Doe not found", "User <value> not found"),
        ("user jane doe not found", "user <value> not found"),
        ("JANE DOE is not a valid agent", "<value> is not a valid agent"),
        ("Jane van der Berg: is already being used", "<value> is already being used"),
        ("User Will Page not found", "User <value> not found"),
        ("Email jane@x.example is taken", "Email <e-mail> is taken"),
        ("Email: X is already being used by another user", "Email: <value> is already being used by another user"),
        ("the user jane_doe, janeDoe or Jane-Doe has no access", "the user <value>, <value> or <value> has no access"),
        ("assignee Søren Ødegård is suspended", "<value> is suspended"),
        ("the user 山田 太郎 does not exist", "the user <value> does not exist"),
        ("see https://jane-doe.example/orders/12 for details", "see <value> for details"),
        ("ticket 35436 and user 361234567890 not found", "ticket 35436 and user <number> not found"),
    ],
)
def test_names_without_quotes_are_not_shown(text: str, shown: str) -> None:
    """Worklytics/psoxy PR 1399: bodies of errors follow no schema, and taking out addresses and UUIDs leaves the names;
    anymail/django-anymail #245: full names in the log of every refused message. Zendesk's "Email: X is already being
    used by another user" (its developer forum) quotes nothing. Right: the words of errors are shown, and no other.
    """
    assert said(msgspec.json.encode({"error": text})) == f' ("{shown}")'


@pytest.mark.parametrize(
    "text",
    [
        "The caller does not have permission",
        "Requested entity was not found.",
        "Request had insufficient authentication scopes.",
        "Google Sheets API has not been used in project 123456 before or it is disabled.",
        "This operation is not supported for this document",
        "API key not valid. Please pass a valid API key.",
        "Couldn't authenticate you",
        "Number of allowed incremental ticket export API requests per minute exceeded",
        "Too recent start_time. Use a start_time older than 5 minutes",
        "Invalid cursor",
        "Record validation errors",
        "You have exceeded the rate limit",
        "Unprocessable Entity",
        "RESOURCE_EXHAUSTED",
        "updated_at must be after 2026-11-22T02:00:00Z",
        "invalid_grant",
    ],
)
def test_what_vendors_say_of_a_request_is_shown_whole(text: str) -> None:
    """Words of Google's, Zendesk's and ChartMogul's references: the cure is often in them."""
    assert said(msgspec.json.encode({"error": text})) == f' ("{text}")'


@given(st.lists(st.from_regex(r"[A-Z][a-z]{2,8}", fullmatch=True), min_size=1, max_size=3))
def test_a_name_of_any_words_is_shown_only_as_far_as_it_has_words_of_errors(names: list[str]) -> None:
    shown = said(msgspec.json.encode({"error": f"the user {' '.join(names)} is not here"}))
    assert [name for name in names if name in shown and name.lower() not in TITLED] == []


@given(
    st.text(st.characters(codec="utf-8"), max_size=100),
    st.emails(),
    st.text(st.characters(codec="utf-8"), max_size=100),
)
def test_no_address_is_left_whatever_stands_around_it(before: str, address: str, after: str) -> None:
    text = masked(f"{before} {address} {after}")
    assert address not in text
    assert len(text) <= LONGEST


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["error", "errors", "details", "code", "title", "message", "description", "x"]), inner
        )
    ),
    max_leaves=20,
)


@given(VALUES)
def test_no_shape_of_an_error_breaks_anything(value: Any) -> None:
    text = said(msgspec.json.encode(value))
    assert text == "" or (text.startswith(' ("') and len(text) <= LONGEST + 5)
