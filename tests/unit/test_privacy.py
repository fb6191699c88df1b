"""Secret fields are dropped, personal ones hashed; nothing else changes by a byte."""

from __future__ import annotations

import hmac
import json
import unicodedata
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from catchment.errors import NeedsPerson, VendorUnavailable
from catchment.extract.privacy import Privacy, hashed, keyed_digests
from catchment.extract.splitter import Reject, Splitter
from tests.unit.test_splitter import SCALARS, VALUES, one_line, spelled

KEY = b"a key"
OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])


def privacy(secret: tuple[str, ...] = (), personal: tuple[str, ...] = ()) -> Privacy:
    return Privacy(secret=secret, personal=personal, key=KEY)


def hide(records: list[bytes], rules: Privacy) -> tuple[list[bytes], tuple[Reject, ...]]:
    """The records and the rejects that are left of a page."""
    hidden = rules.apply(records)
    *lines, rest = hidden.lines.split(b"\n")
    assert (rest, hidden.rows) == (b"", len(lines))
    return lines, hidden.rejects


def applied(record: Any, **rules: Any) -> Any:
    return json.loads(hide([json.dumps(record).encode()], privacy(**rules))[0][0])


@st.composite
def records(draw: st.DrawFn) -> bytes:
    fields = draw(st.dictionaries(st.sampled_from(["a", "b", "email", "token", "é", "x.y"]), VALUES))
    return one_line(draw(spelled(fields)))


@given(record=records())
def test_only_the_named_fields_change_and_all_others_keep_their_bytes(record: bytes) -> None:
    before = OBJECT.decode(record)
    after = OBJECT.decode(hide([record], privacy(secret=("token",), personal=("email",)))[0][0])
    assert list(after) == [name for name in before if name != "token"]
    assert all(bytes(after[name]) == bytes(before[name]) for name in after if name != "email")


@given(record=records())
def test_without_rules_a_record_passes_untouched(record: bytes) -> None:
    assert hide([record], privacy()) == ([record], ())


@given(text=st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_a_personal_text_becomes_its_hash(text: str) -> None:
    assert applied({"email": text}, personal=("email",)) == {"email": hashed(text, KEY)}


def test_one_address_has_one_hash_however_it_is_written() -> None:
    spellings = [" Zoe\u0301@Example.com", "zo\u00e9@example.com ", "ZO\u00c9@EXAMPLE.COM"]
    assert len({hashed(text, KEY) for text in spellings}) == 1
    assert hashed("zoe@example.com", KEY) != hashed("zoe@example.com", b"another key")


def test_a_path_goes_into_every_element_of_nested_lists() -> None:
    record = {"lines": [{"who": "Ann", "n": 1}, [{"who": "Bob"}], {"n": 2}, "text", None]}
    hidden = applied(record, personal=("lines.who",))
    expected = [{"who": hashed("Ann", KEY), "n": 1}, [{"who": hashed("Bob", KEY)}], {"n": 2}, "text", None]
    assert hidden == {"lines": expected}
    assert applied(record, secret=("lines.who",)) == {"lines": [{"n": 1}, [{}], {"n": 2}, "text", None]}


def test_an_element_after_a_scalar_is_hidden_once() -> None:
    plain = b'{"lines":[1,{"who":"ann"},"x",[2,{"who":"ann"}]]}'
    hidden = plain.replace(b'"ann"', json.dumps(reference("ann")).encode())
    assert hide([plain], privacy(personal=("lines.who",), secret=("token",)))[0] == [hidden]


def test_a_personal_object_or_list_keeps_its_shape_and_no_leaf_of_it() -> None:
    hidden = applied({"photo": {"url": "u", "sizes": [1, None, ""], "public": True}}, personal=("photo",))
    assert hidden["photo"]["url"] == hashed("u", KEY)
    assert hidden["photo"]["sizes"] == [hashed("1", KEY), None, ""]
    assert hidden["photo"]["public"].startswith("hmac-sha256:")


@pytest.mark.parametrize("value", [None, ""])
def test_what_names_nobody_stays(value: Any) -> None:
    assert applied({"email": value}, personal=("email",)) == {"email": value}


@pytest.mark.parametrize("record", [{}, {"system": None}, {"system": "text"}, {"system": 5}, {"system": {"ip": None}}])
def test_a_path_that_a_record_does_not_have_changes_nothing(record: Any) -> None:
    assert applied(record, personal=("system.ip",), secret=("system.token",)) == record


def test_personal_fields_without_a_key_need_a_person() -> None:
    with pytest.raises(NeedsPerson, match="catchment_pii"):
        Privacy(secret=(), personal=("email",), key=b"")


def test_a_reject_is_hidden_as_a_record_is() -> None:
    reject = Reject("no id", '{"email":"ann@example.com","token":"t","n":1}')
    (hidden,) = privacy(secret=("token",), personal=("email",)).apply([], (reject,)).rejects
    assert hidden.reason == "no id"
    assert json.loads(hidden.record) == {"email": hashed("ann@example.com", KEY), "n": 1}


@pytest.mark.parametrize(
    "text", [r'{"email":"ann@example.com","x":"\ud800"}', "ann@example.com {", r'{"email":"ann\udc00"}']
)
def test_a_reject_that_cannot_be_read_is_withheld(text: str) -> None:
    rejects = privacy(personal=("email",)).apply([], (Reject("no JSON", text),)).rejects
    assert "ann" not in rejects[0].record
    assert "withheld" in rejects[0].record
    assert rejects[0].reason == "no JSON"


def test_without_rules_a_reject_is_shown_as_it_came() -> None:
    assert privacy().apply([], (Reject("no JSON", "ann {"),)) == (b"", 0, (Reject("no JSON", "ann {"),))


def test_a_record_whose_personal_field_cannot_be_read_is_rejected_and_its_siblings_stay() -> None:
    records, rejects = hide([b'{"id":1,"email":"\xff"}', b'{"id":2}'], privacy(personal=("email",)))
    assert records == [b'{"id":2}']
    assert [reject.record.split(":")[0] for reject in rejects] == ["withheld, since it may hold personal fields"]


# --- byte by byte, beside texts that are written twice: as the vendor sends them, and as they must land ---------------

HIDE = "hide"


@dataclass(frozen=True)
class Fields:
    """An object whose names may repeat."""

    pairs: list[tuple[str, Any]]


def tree(paths: tuple[str, ...]) -> dict[str, Any]:
    rules: dict[str, Any] = {}
    for path in paths:
        *above, last = path.split(".")
        node = rules
        for name in above:
            node = node.setdefault(name, {})
        node[last] = HIDE
    return rules


def reference(value: Any) -> str:
    """The hash by the standard library: of a text, or of a number or boolean as JSON spells it."""
    text = value if isinstance(value, str) else json.dumps(value)
    plain = unicodedata.normalize("NFC", text).strip().casefold().encode()
    return "hmac-sha256:" + hmac.new(KEY, plain, "sha256").hexdigest()


NAMES = st.sampled_from(["email", "via", "from", "name", "e", "é", 'x"email', "email\\", "emai", "from.name"])
TREES = st.recursive(
    st.one_of(SCALARS, st.sampled_from(["email", '"email":', "Ann@Example.com ", " zo\u00e9", '{"email":"ann"}'])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.lists(st.tuples(NAMES, inner), max_size=4).map(Fields)
    ),
    max_leaves=10,
)  # fmt: skip
PATHS = st.sampled_from(
    [("email",), ("via.from",), ("via.from.name",), ("email", "via.from.name"), ("via.email", "email"), ("é",),
     ("via.from.name", "via.name"), ("name.name",), ("via.via", "via.from")]
)  # fmt: skip


@st.composite
def twins(draw: st.DrawFn, fields: Fields, rules: Any) -> tuple[bytes, bytes]:
    """One JSON text twice: plain, and with its personal leaves hashed. Spaces and escapes are anybody's."""
    ascii_only, spaces, escapes = draw(st.booleans()), draw(st.booleans()), draw(st.booleans())

    def gap() -> str:
        return draw(st.sampled_from(["", " ", "\t", "\r"])) if spaces else ""

    def name_of(name: str) -> str:
        text = json.dumps(name, ensure_ascii=ascii_only)
        letter = draw(st.integers(0, len(name) - 1))
        if escapes and name.isalpha():
            return f'"{name[:letter]}\\u{ord(name[letter]):04x}{name[letter + 1 :]}"'
        return text

    def write(value: Any, rule: Any) -> tuple[str, str]:
        if isinstance(value, Fields):
            parts = []
            for name, inner in value.pairs:
                head = f"{gap()}{name_of(name)}{gap()}:{gap()}"
                plain, hidden = write(inner, rule.get(name) if isinstance(rule, dict) else rule)
                tail = gap()
                parts.append((head + plain + tail, head + hidden + tail))
            return "{" + ",".join(p for p, _ in parts) + "}", "{" + ",".join(h for _, h in parts) + "}"
        if isinstance(value, list):
            parts = [write(inner, rule) for inner in value]
            return "[" + ",".join(p for p, _ in parts) + "]", "[" + ",".join(h for _, h in parts) + "]"
        plain = json.dumps(value, ensure_ascii=ascii_only)
        return plain, json.dumps(reference(value)) if rule is HIDE and value not in (None, "") else plain

    plain, hidden = write(fields, rules)
    return plain.encode(), hidden.encode()


@st.composite
def pages(draw: st.DrawFn) -> tuple[tuple[str, ...], list[tuple[bytes, bytes]]]:
    paths = draw(PATHS)
    trees = draw(st.lists(st.lists(st.tuples(NAMES, TREES), max_size=5).map(Fields), min_size=1, max_size=4))
    return paths, [draw(twins(fields, tree(paths))) for fields in trees]


@settings(max_examples=150)
@given(page=pages())
def test_every_personal_leaf_is_hashed_and_every_other_byte_is_the_vendors(
    page: tuple[tuple[str, ...], list[tuple[bytes, bytes]]],
) -> None:
    """PostHog PR 28446 hashes nested values, and a reviewer finds objects turned to one text; scylla-cdc issue 27
    masks a name that stands elsewhere in the message. Right: each leaf at the path, wherever and how often it stands.
    """
    paths, texts = page
    records, rejects = hide([plain for plain, _ in texts], privacy(personal=paths))
    assert (records, rejects) == ([hidden for _, hidden in texts], ())


TRICKS = {
    "twice in one object": ('{"email":"ann","email":"bob"}', '{"email":A,"email":B}'),
    "once with an escape": ('{"e\\u006dail":"ann"}', '{"e\\u006dail":A}'),
    "with an escape, and plain elsewhere": ('{"e\\u006dail":"ann","x":{"email":"ann"}}',
                                            '{"e\\u006dail":A,"x":{"email":"ann"}}'),
    "elsewhere only": ('{"x":{"email":"ann"}}', '{"x":{"email":"ann"}}'),
    "elsewhere, too": ('{"x":{"email":"bob"},"email":"ann"}', '{"x":{"email":"bob"},"email":A}'),
    "within a text": ('{"x":"{\\"email\\":\\"bob\\"}","email":"ann"}', '{"x":"{\\"email\\":\\"bob\\"}","email":A}'),
    "at the end of another name": ('{"x\\"email":"bob","email":"ann"}', '{"x\\"email":"bob","email":A}'),
    "below itself": ('{"email":{"email":"ann","n":null}}', '{"email":{"email":A,"n":null}}'),
    "a list of objects": ('{"email":[{"of":"ann"},["bob",""]]}', '{"email":[{"of":A},[B,""]]}'),
    "a name twice below it": ('{"email":{"of":"ann","of":"bob"}}', '{"email":{"of":A,"of":B}}'),
    "a value with escapes": ('{"email":" \\u0041nn"}', '{"email":A}'),
    "many lists deep": ('{"email":[[[[[[["ann"]]]]]],null]}', '{"email":[[[[[[[A]]]]]],null]}'),
    "an empty object": ('{"email":{},"x":1e999}', '{"email":{},"x":1e999}'),
    "a list at the root": ('[{"email":"ann"},{"x":1}]', '[{"email":A},{"x":1}]'),
}  # fmt: skip


@pytest.mark.parametrize("among_others", [False, True])
@pytest.mark.parametrize(("plain", "hidden"), TRICKS.values(), ids=TRICKS.keys())
def test_a_name_may_stand_anywhere_and_in_any_spelling(plain: str, hidden: str, among_others: bool) -> None:
    hidden = hidden.replace("A", json.dumps(reference("ann"))).replace("B", json.dumps(reference("bob")))
    # Beside a record that has one name too few for its fields, and one that has one too many.
    others = [b'{"email":{"of":null}}', b'{"x":{"email":"ann"}}'] if among_others else []
    records, rejects = hide([*others, plain.encode()], privacy(personal=("email",)))
    assert (records, rejects) == ([*others, hidden.encode()], ())


ORDINARY = [
    (("email",), ['{"id":1,"email":"ann"}', '{"email": 5 ,"x":"\\u00e9"}', '{"email":null}', '{"id":2}']),
    (("email",), ['{"email":{"of":"ann","to":["bob"]},"id":1}', '{"email":["ann",{"x":true}]}']),
    (("email", "name"), ['{"email":"ann","name":"Ann","id":1}', '{"name":"Bob"}', "{}"]),
    (("via.from.name",), ['{"via":{"from":{"name":"ann"},"n":1}}', '{"via":{"from":null}}', '{"via":"x"}']),
    (("via.from", "email"), ['{"via":[{"from":"ann"},{"from":"bob"},null],"email":"cy"}', '{"via":{"from":{"a":1}}}']),
]


@pytest.mark.parametrize(("paths", "texts"), ORDINARY)
def test_a_page_without_tricks_is_done_in_one_pass(
    paths: tuple[str, ...], texts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Walking each record costs several times as much; what comes out is the same."""
    records = [text.encode() for text in texts]
    walked = hide(records, privacy(personal=paths, secret=("nothing",)))

    def edited(data: bytes, rules: Any) -> bytes:
        raise AssertionError("a record was walked field by field")

    monkeypatch.setattr("catchment.extract.privacy.edited", edited)
    assert hide(records, privacy(personal=paths)) == walked


@pytest.mark.parametrize("paths", [("email",), ("email", "name")])
def test_a_value_that_is_nested_too_deep_for_one_pass_is_hidden_beside_plain_ones(paths: tuple[str, ...]) -> None:
    plain = [b'{"email":"ann"}', b'{"email":[[[[[[[["ann"]]]]]]]]}', b'{"email": "ann"}', b'{"email":{"q":"ann"}}']
    for texts in (plain, plain[1:2], plain[2:], plain[3:]):
        hidden = [text.replace(b'"ann"', json.dumps(reference("ann")).encode()) for text in texts]
        assert hide(texts, privacy(personal=paths))[0] == hidden


def test_a_name_that_json_may_spell_with_an_escape_is_looked_for_record_by_record() -> None:
    """A slash may stand as it is or behind a backslash (RFC 8259, section 7)."""
    plain = b'{"a\\/b":"ann","x":{"a/b":"bob"},"email":"bob"}'
    hidden = b'{"a\\/b":"%b","x":{"a/b":"bob"},"email":"%b"}' % (reference("ann").encode(), reference("bob").encode())
    assert hide([plain], privacy(personal=("a/b", "email")))[0] == [hidden]


def test_a_field_may_be_called_as_the_one_above_it() -> None:
    record = {"name": {"name": "ann", "of": "bob"}}
    assert applied(record, personal=("name.name",)) == {"name": {"name": reference("ann"), "of": "bob"}}


def test_a_name_that_stands_twice_is_hidden_in_a_reject_too() -> None:
    """snowflake-ingest-java PR 929 and estuary/connectors PR 2357: Snowflake refuses a variant with a name twice.

    Here the line stays as it is but for the hashes, so the load refuses it and shows it: neither value may be plain.
    """
    text = '{"id":1,"email":"ann@example.com","email":"bob@example.com"}'
    records, _ = hide([text.encode()], privacy(personal=("email",)))
    rejects = privacy(personal=("email",)).apply([], (Reject("the key is there twice", text),)).rejects
    ann, bob = reference("ann@example.com"), reference("bob@example.com")
    assert records == [f'{{"id":1,"email":"{ann}","email":"{bob}"}}'.encode()]
    assert rejects[0].record == records[0].decode()


@given(record=records())
def test_a_dropped_field_takes_one_comma_with_it(record: bytes) -> None:
    fields = json.loads(record, object_pairs_hook=list)
    left = hide([record], privacy(secret=("token", "a", "é")))[0][0]
    assert json.loads(left, object_pairs_hook=list) == [f for f in fields if f[0] not in ("token", "a", "é")]


@pytest.mark.parametrize(
    ("plain", "left"),
    [
        ('{"t":1}', "{}"),
        ('{"t":1,"t":2}', "{}"),
        ('{"t":[1,{"t":2}], "a":1}', '{ "a":1}'),
        ('{"a":1 , "t":{}}', '{"a":1 }'),
        ('{"t":1,"t":2,"a":1}', '{"a":1}'),
        ('{"t":1,"a":1,"t":2,"b":2,"\\u0074":3}', '{"a":1,"b":2}'),
    ],
)
def test_a_field_is_dropped_wherever_it_stands(plain: str, left: str) -> None:
    assert hide([plain.encode()], privacy(secret=("t",)))[0] == [left.encode()]


def test_what_is_above_a_rule_covers_what_is_below() -> None:
    hidden = {"a": {"b": reference("ann"), "c": reference("bob")}}
    for paths in (("a", "a.b"), ("a.b", "a")):
        assert applied({"a": {"b": "ann", "c": "bob"}}, personal=paths) == hidden
    assert applied({"a": {"b": "ann"}}, personal=("a.b",), secret=("a",)) == {}


@example(key=b"k" * 64, text=b"ann")
@example(key=b"k" * 65, text=b"ann")
@given(key=st.binary(min_size=1, max_size=130), text=st.binary(max_size=80))
def test_the_digest_is_the_standard_librarys_hmac(key: bytes, text: bytes) -> None:
    assert keyed_digests(key)((text, b"")) == [hmac.new(key, each, "sha256").hexdigest() for each in (text, b"")]


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b'\xef\xbb\xbf{"list":[{"name":"Jane Doe"}]}', "bytes that begin like JSON"),
        (b'"Jane Doe"', "bytes that begin like JSON"),
        (b"id,name\n1,Jane Doe\n", '"id,name <value>" (19 bytes)'),
        (b"cb({'name': 'Jane Doe'})", '"<value>: <value>})" (24 bytes)'),
        (b"<html><title>502 Bad Gateway</title>Dear Jane Doe", '"502 Bad Gateway <value>" (49 bytes of HTML)'),
        (b"<html><body>Down for maintenance</body></html>", '"Down for maintenance" (46 bytes of HTML)'),
    ],
)
def test_a_reply_that_is_no_json_shows_no_person(body: bytes, shown: str) -> None:
    """woocommerce/wc-api-python #40: JSON behind a byte order mark, which no decoder takes, was quoted into the error,
    records and all. Right: of a reply that can't be read the words of errors are shown, such as a gateway's.
    """
    with pytest.raises(VendorUnavailable) as raised:
        Splitter("list", ("id",)).split(body)
    assert shown in str(raised.value)
    assert "Jane" not in str(raised.value)


# --- the structure of the named fields, read beside the keys ---------------------------------------------------------


def with_key(record: bytes) -> bytes:
    rest = record.strip()[1:]
    return b'{"key":1' + (b"" if rest.strip() == b"}" else b",") + rest


@settings(max_examples=150)
@given(page=pages())
def test_a_structure_read_beside_the_keys_hides_what_one_read_apart_hides(
    page: tuple[tuple[str, ...], list[tuple[bytes, bytes]]],
) -> None:
    paths, texts = page
    rules = privacy(personal=paths)
    body = b'{"list":[' + b",".join(with_key(plain) for plain, _ in texts) + b"]}"
    with_structure = Splitter("list", ("key",), beside=rules.structure).split(body)
    apart = Splitter("list", ("key",)).split(body)
    assert [bytes(record) for record in with_structure.records] == [bytes(record) for record in apart.records]
    named = rules.apply(with_structure.records, with_structure.rejects, named=with_structure.named)
    assert named == rules.apply(apart.records, apart.rejects)
