"""Secret fields are dropped, personal ones hashed; nothing else changes by a byte."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catchment.errors import NeedsPerson
from catchment.extract.privacy import Privacy, hashed
from catchment.extract.splitter import Reject
from tests.unit.test_splitter import VALUES, one_line, spelled

KEY = b"a key"
OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])


def privacy(secret: tuple[str, ...] = (), personal: tuple[str, ...] = ()) -> Privacy:
    return Privacy(secret=secret, personal=personal, key=KEY)


def applied(record: Any, **rules: Any) -> Any:
    return json.loads(privacy(**rules).apply([json.dumps(record).encode()])[0][0])


@st.composite
def records(draw: st.DrawFn) -> bytes:
    fields = draw(st.dictionaries(st.sampled_from(["a", "b", "email", "token", "é", "x.y"]), VALUES))
    return one_line(draw(spelled(fields)))


@given(record=records())
def test_only_the_named_fields_change_and_all_others_keep_their_bytes(record: bytes) -> None:
    before = OBJECT.decode(record)
    after = OBJECT.decode(privacy(secret=("token",), personal=("email",)).apply([record])[0][0])
    assert list(after) == [name for name in before if name != "token"]
    assert all(bytes(after[name]) == bytes(before[name]) for name in after if name != "email")


@given(record=records())
def test_without_rules_a_record_passes_untouched(record: bytes) -> None:
    assert privacy().apply([record]) == ([record], ())


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
    _, hidden = privacy(secret=("token",), personal=("email",)).apply([], (reject,))
    assert hidden[0].reason == "no id"
    assert json.loads(hidden[0].record) == {"email": hashed("ann@example.com", KEY), "n": 1}


@pytest.mark.parametrize(
    "text", [r'{"email":"ann@example.com","x":"\ud800"}', "ann@example.com {", r'{"email":"ann\udc00"}']
)
def test_a_reject_that_cannot_be_read_is_withheld(text: str) -> None:
    _, hidden = privacy(personal=("email",)).apply([], (Reject("no JSON", text),))
    assert "ann" not in hidden[0].record
    assert "withheld" in hidden[0].record
    assert hidden[0].reason == "no JSON"


def test_without_rules_a_reject_is_shown_as_it_came() -> None:
    assert privacy().apply([], (Reject("no JSON", "ann {"),)) == ([], (Reject("no JSON", "ann {"),))


def test_a_record_whose_personal_field_cannot_be_read_is_rejected_and_its_siblings_stay() -> None:
    records, rejects = privacy(personal=("email",)).apply([b'{"id":1,"email":"\xff"}', b'{"id":2}'])
    assert records == [b'{"id":2}']
    assert [reject.record.split(":")[0] for reject in rejects] == ["withheld, since it may hold personal fields"]
