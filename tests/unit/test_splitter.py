"""Pages are cut, not parsed: a record keeps the vendor's own bytes."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catchment.errors import VendorUnavailable
from catchment.extract.splitter import Splitter, first_part, splitter_for

SPACES = st.text(" \t\r\n", max_size=3)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**80), 2**80),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text("abc.-é", max_size=3), inner)),
    max_leaves=6,
)
KEYS = st.one_of(st.integers(-(2**70), 2**70), st.text(st.characters(exclude_categories=["Cs"]), max_size=6))


@st.composite
def spelled(draw: st.DrawFn, value: Any) -> str:
    """A JSON text of `value` as some vendor may write it: any space between tokens, any characters escaped."""
    ascii_only = draw(st.booleans())

    def write(item: Any) -> str:
        gap = draw(SPACES)
        if isinstance(item, dict):
            pairs = [f"{gap}{write(name)}{draw(SPACES)}:{draw(SPACES)}{write(inner)}" for name, inner in item.items()]
            return "{" + ",".join(pairs) + gap + "}"
        if isinstance(item, list):
            return "[" + ",".join(f"{gap}{write(inner)}{draw(SPACES)}" for inner in item) + gap + "]"
        return json.dumps(item, ensure_ascii=ascii_only)

    return write(value)


@st.composite
def record_texts(draw: st.DrawFn) -> tuple[Any, str]:
    """A record with the key `id` among other fields: the key, and the record's text."""
    key = draw(KEYS)
    fields = draw(st.dictionaries(st.text("xyz_ é😀", min_size=1, max_size=3), VALUES, max_size=4))
    names = draw(st.permutations([*fields, "id"]))
    return key, draw(spelled({name: key if name == "id" else fields[name] for name in names}))


def one_line(text: str) -> bytes:
    return text.encode().replace(b"\r\n", b" ").replace(b"\n", b" ")


@given(records=st.lists(record_texts(), max_size=5), gap=SPACES, cursor=st.text("abc", max_size=3), more=st.booleans())
def test_records_keep_their_exact_bytes_and_their_keys(
    records: list[tuple[Any, str]], gap: str, cursor: str, more: bool
) -> None:
    listed = ("," + gap).join(text for _, text in records)
    body = (
        f'{gap}{{"meta":{{"cursor":{json.dumps(cursor)}}},{gap}"list":{gap}[{listed}]{gap},"more":{json.dumps(more)}}}'
    )
    page = Splitter("list", ("id",), ("meta.cursor", "more")).split(body.encode())
    assert [bytes(record) for record in page.records] == [one_line(text) for _, text in records]
    assert page.keys == [key for key, _ in records]
    assert page.fields == {"meta.cursor": cursor, "more": more}
    assert page.rejects == ()


@given(records=st.lists(record_texts(), max_size=4), where=st.integers(0, 4), surrogates=st.booleans())
def test_a_record_that_is_wrong_is_rejected_and_its_siblings_stay(
    records: list[tuple[Any, str]], where: int, surrogates: bool
) -> None:
    wrong = r'{"id": 1, "name": "half a pair \ud83d"}' if surrogates else '{"no key": true}'
    texts = [text for _, text in records]
    texts.insert(min(where, len(texts)), wrong)
    page = Splitter("list", ("id",)).split(f'{{"list":[{",".join(texts)}]}}'.encode())
    assert [bytes(record) for record in page.records] == [one_line(text) for _, text in records]
    assert page.keys == [key for key, _ in records]
    assert [reject.record for reject in page.rejects] == [wrong]


@given(records=st.lists(record_texts(), max_size=3))
def test_a_list_may_lie_deep_in_the_reply(records: list[tuple[Any, str]]) -> None:
    body = f'{{"data":{{"other":[1],"list":[{",".join(text for _, text in records)}]}}}}'
    page = Splitter("data.list", ("id",)).split(body.encode())
    assert [bytes(record) for record in page.records] == [one_line(text) for _, text in records]


def test_numbers_beyond_53_bits_emoji_and_escaped_nuls_stay_as_they_are() -> None:
    record = r'{"id":9007199254740993,"n":1e400,"e":"😀 \ud83d\ude00","z":"a\u0000b","f":1.10}'
    page = Splitter("list", ("id",)).split(f'{{"list":[{record}]}}'.encode())
    assert bytes(page.records[0]) == record.encode()
    assert page.keys[0] == 9007199254740993


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ('{"name":"no id"}', "missing required field"),
        ('{"id":null}', "key id: Expected"),
        ('{"id":{"a":1}}', "key id: Expected"),
        ('"a string where an object was"', "Expected `object`, got `str`"),
        ("null", "Expected `object`, got `null`"),
        (r'{"id":"\ud800"}', "surrogate"),
        (r'{"id":2,"name":"\udc00"}', "surrogate"),
        ('{"id":2,"rate":NaN}', "NaN"),
    ],
)
def test_a_reject_says_what_is_wrong_with_it(record: str, reason: str) -> None:
    page = Splitter("list", ("id",)).split(f'{{"list":[{record},{{"id":1}}]}}'.encode())
    assert len(page.records) == 1
    assert reason in page.rejects[0].reason
    assert page.rejects[0].record == record


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><body>Down for maintenance</body></html>",
        b'{"list":[{"id":1},{"id":',
        b'{"list":[{"id":1}]} trailing',
        b'{"list":"no list"}',
        b'{"list":{"id":1}}',
        b'{"others":[]}',
        b'["list"]',
        b'"list"',
        b'{"list":[{"id":1,"raw":"a\nb"}]}',
        b'{"list":[' + b"[" * 100_000 + b"]" * 100_000 + b"]}",
    ],
)
def test_a_reply_that_is_no_page_is_the_vendors_trouble_which_may_pass(body: bytes) -> None:
    with pytest.raises(VendorUnavailable):
        Splitter("list", ("id",)).split(body)


def test_an_error_shows_html_and_never_json_which_may_hold_personal_data() -> None:
    with pytest.raises(VendorUnavailable, match="Down for maintenance"):
        Splitter("list", ("id",)).split(b"<html>Down for maintenance</html>")
    with pytest.raises(VendorUnavailable) as raised:
        Splitter("list", ("id",)).split(b'{"list":[{"email":"ann@example.com"}')
    assert "ann@" not in str(raised.value)


@pytest.mark.parametrize(
    ("records", "body", "says"),
    [
        ("data.list", b'{"data":{}}', 'the reply has no list "data.list" where the records should be: 11 bytes that '),
        ("[]", b'{"a":1}', "the reply is not a list: 7 bytes that begin like JSON"),
        ("list", b" [", "2 bytes that begin like JSON"),
        ("list", b"Service\nunavailable", '"Service unavailable" (19 bytes)'),
        ("list", b"<h1>Bad gateway</h1>", '"Bad gateway" (20 bytes of HTML)'),
    ],
)
def test_an_error_says_what_was_missing_and_what_came(records: str, body: bytes, says: str) -> None:
    with pytest.raises(VendorUnavailable) as raised:
        Splitter(records, ("id",)).split(body)
    assert says in str(raised.value)


def test_a_reply_may_be_the_one_record() -> None:
    page = Splitter("", ("id",)).split(b' {"id":"acct_1",\n"n":1} ')
    assert [bytes(record) for record in page.records] == [b'{"id":"acct_1", "n":1}']
    assert page.keys[0] == "acct_1"


@pytest.mark.parametrize("body", [b'{"name":"no id"}', b"[]", b"<html>", b""])
def test_a_reply_that_is_not_the_one_record_is_the_vendors_trouble(body: bytes) -> None:
    with pytest.raises(VendorUnavailable):
        Splitter("", ("id",)).split(body)


def test_a_key_that_is_not_utf8_is_rejected_and_its_siblings_stay() -> None:
    page = Splitter("list", ("id",)).split(b'{"list":[{"id":"\xff"},{"id":1}]}')
    assert [bytes(record) for record in page.records] == [b'{"id":1}']
    assert page.rejects[0].reason == "is not valid UTF-8"


def test_a_reply_may_be_the_list_itself() -> None:
    """Lists that are paged by a `Link` header come without an envelope (GitHub, GitLab, Okta, Shopify)."""
    splitter = Splitter("[]", ("id",))
    page = splitter.split(b'[{"id":1,"big":9007199254740993},\n{"name":"no id"},{"id":2}]')
    assert [bytes(record) for record in page.records] == [b'{"id":1,"big":9007199254740993}', b'{"id":2}']
    assert page.keys == [1, 2]
    assert len(page.rejects) == 1
    assert splitter.split(b"[]").records == []
    lone = splitter.split(rb' [{"id":1}, {"id":2,"name":"\ud800"}] ')
    assert (lone.keys, len(lone.rejects)) == ([1], 1)


@pytest.mark.parametrize("body", [b'{"message":"no list"}', b"null", b"<html>", b"", b'[{"id":1}', b'[{"id":1}] x'])
def test_a_reply_that_is_not_the_list_itself_is_the_vendors_trouble(body: bytes) -> None:
    with pytest.raises(VendorUnavailable):
        Splitter("[]", ("id",)).split(body)


def test_a_list_itself_has_no_fields_for_a_paginator() -> None:
    with pytest.raises(ValueError, match="has_more"):
        Splitter("[]", ("id",), ("has_more",))


def test_a_reply_without_its_list_may_hold_bytes_that_are_no_utf8() -> None:
    """Found by the fuzzer: the splitter fell over such a byte in a field that it does not read."""
    assert Splitter("list", ("id",)).split(b'{"list":null,"note":"\xff"}').records == []
    with pytest.raises(VendorUnavailable, match='has no list "list"'):
        Splitter("list", ("id",)).split(b'{"note":"\xff"}')


# --- other fields, read beside the key --------------------------------------------------------------------------------

NAMED = msgspec.defstruct("Named", [("email", str, ""), ("phone", str, "")])


def test_fields_read_beside_the_key_are_no_part_of_it() -> None:
    body = b'{"more":true,"list":[{"id":1,"n":2,"email":"ann"},{"n":2,"id":1,"email":"bob"}]}'
    page = splitter_for("list", ("id", "n"), ("more",), beside=NAMED).split(body)
    assert page.keys == [(1, 2), (1, 2)]
    assert page.fields == {"more": True}
    assert [bytes(record) for record in page.records] == [
        b'{"id":1,"n":2,"email":"ann"}',
        b'{"n":2,"id":1,"email":"bob"}',
    ]
    assert page.named is not None
    assert [named.email for named in page.named] == ["ann", "bob"]


def test_the_first_part_of_a_key_is_told_however_it_was_read() -> None:
    body = b'{"list":[{"id":1,"n":2}]}'
    for splitter in (Splitter("list", ("id", "n")), Splitter("list", ("id", "n"), beside=NAMED)):
        assert first_part(splitter.split(body).keys[0]) == 1


@pytest.mark.parametrize("key", [("email",), ("phone", "id")])
def test_a_key_that_is_among_the_other_fields_is_read_without_them(key: tuple[str, ...]) -> None:
    body = b'{"list":[{"id":1,"email":"ann","phone":"1"}]}'
    page = Splitter("list", key, beside=NAMED).split(body)
    assert page.named is None
    assert len(page.keys) == 1


def test_records_of_a_stream_without_a_key_are_all_alike() -> None:
    page = Splitter("list", (), beside=NAMED).split(b'{"list":[{"email":"ann"},{"email":"bob"}]}')
    assert page.keys == [(), ()]
    assert [named.email for named in page.named or ()] == ["ann", "bob"]


@pytest.mark.parametrize("bad", [b"{}", b'"text"', b'{"id":"\\ud800"}'])
def test_a_record_has_one_key_whether_its_page_has_rejects_or_not(bad: bytes) -> None:
    """Records that repeat at a page border are told by their keys: the page before may have had a bad record."""
    splitter = Splitter("list", ("id",), beside=NAMED)
    good = splitter.split(b'{"list":[{"id":1}]}')
    page = splitter.split(b'{"list":[{"id":1},' + bad + b"]}")
    assert page.keys == good.keys
    assert len(page.rejects) == 1
