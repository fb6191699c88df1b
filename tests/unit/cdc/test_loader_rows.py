"""Kafka's records as rows of raw: as they came, or among the rejects with a reason."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catchment.cdc.loader import rows
from catchment.cdc.loader.rows import Lines, lines
from tests.support.kafka import Message


def one(value: bytes | None, key: bytes | None = b'{"id":1}') -> bytes:
    (line,), size, rejects = lines("s0.public.t", 2, [Message(7, value, key)])
    assert (size, rejects) == (len(line), [])
    return line


def reason(value: bytes | None, key: bytes | None = b'{"id":1}') -> str:
    made, _, (reject,) = lines("s0.public.t", 2, [Message(7, value, key)])
    assert [json.loads(line)["m"].get("rejected") for line in made] in ([], [reject.reason])
    assert (reject.file, reject.offset, reject.record) == ("kafka://s0.public.t/2", 7, value)
    return reject.reason


def test_metadata_has_the_names_that_snowflakes_sink_writes() -> None:
    assert json.loads(one(b'{"op":"c"}')) == {
        "p": 2,
        "o": 7,
        "m": {
            "topic": "s0.public.t",
            "partition": 2,
            "offset": 7,
            "CreateTime": 1_700_000_000_000,
            "key": {"id": 1},
        },
        "c": {"op": "c"},
    }


@pytest.mark.parametrize(
    "value",
    [
        b'{"n":123456789012345678901234567890,"x":1.10,"e":1e400}',
        b'{"t":"\\u0000\\ud83d\\ude00 \\u00e9 \xc3\xa9 \xf0\x9f\x98\x80"}',
        b'{"half":"\\ud83d"}',
        b'{ "spaced" : [ 1 , 2 ] }',
        b'{"b":1,"a":2,"b":3}',
        b'"text"',
        b"null",
    ],
)
def test_a_value_arrives_byte_for_byte(value: bytes) -> None:
    assert one(value).endswith(b',"c":' + value + b"}\n")


def test_a_value_with_line_breaks_becomes_one_line_that_means_the_same() -> None:
    line = one(b'{\r\n "a": "x\\ny",\n "b": 2\n}\n')
    assert line.count(b"\n") == 1
    assert json.loads(line)["c"] == {"a": "x\ny", "b": 2}


def test_a_tombstone_has_no_content_and_a_json_null_has() -> None:
    assert "c" not in json.loads(one(None))
    assert json.loads(one(b"null"))["c"] is None


def test_a_record_without_a_key_has_no_key_in_its_metadata() -> None:
    assert "key" not in json.loads(one(b"{}", None))["m"]


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (b"", "is not JSON"),
        (b'{"a":', "is not JSON"),
        (b'{"a":1}}', "is not JSON"),
        (b'1,"m":{"topic":"other"}', "is not JSON"),
        (b'{"a":NaN}', "NaN is no JSON number"),
        (b"\x00\x01\x02avro", "is not JSON"),
        (b'{"a":"\xff"}', "is not UTF-8 (byte 6)"),
        (b"[" * 20_000 + b"]" * 20_000, "is nested too deeply"),
    ],
)
def test_what_is_not_json_is_rejected_with_its_reason(value: bytes, why: str) -> None:
    assert why in reason(value)


def test_a_bad_key_rejects_the_record_too() -> None:
    assert reason(b"{}", b"12:not json").startswith("its key is not JSON")


def test_a_record_too_large_for_a_variant_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "LONGEST", 1000)
    assert "more than the 1000 that a VARIANT holds" in reason(b'"' + b"x" * 1000 + b'"')


def test_a_reject_keeps_only_the_beginning_of_a_long_record() -> None:
    _, _, (reject,) = lines("t", 0, [Message(0, b"\xff" + b"x" * 2_000_000)])
    assert reject.text is not None
    assert reject.text.startswith("\\xffxxx")
    assert len(reject.text) < 1_000_010


def test_bad_records_do_not_hold_back_their_neighbours() -> None:
    made, _, rejects = lines("t", 0, [Message(0), Message(1, b"nope"), Message(2)])
    assert [(json.loads(line)["o"], "rejected" in json.loads(line)["m"]) for line in made] == [
        (0, False),
        (1, True),
        (2, False),
    ]
    assert [r.offset for r in rejects] == [1]


def test_a_reject_leaves_its_key_and_which_change_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """artie PR 100: a value that was too large was skipped, and the one before it was shown as if it still held."""
    monkeypatch.setattr(rows, "LONGEST", 1000)
    value = {"before": None, "after": {"id": 1, "t": "x" * 1000}, "op": "u", "source": {"lsn": 9, "sequence": "[1,9]"}}
    (line,), size, (reject,) = lines("s0.public.t", 2, [Message(7, json.dumps(value | {"ts_ms": 5}).encode())])
    assert size == len(line)
    assert json.loads(line) == {
        "p": 2,
        "o": 7,
        "m": {
            "topic": "s0.public.t",
            "partition": 2,
            "offset": 7,
            "CreateTime": 1_700_000_000_000,
            "key": {"id": 1},
            "rejected": reject.reason,
        },
        "c": {"op": "u", "source": value["source"], "ts_ms": 5},
    }


@pytest.mark.parametrize("value", [b"nope", b'{"op":1}', b"[1]", None])
def test_a_reject_that_is_no_change_leaves_its_key_alone(value: bytes | None) -> None:
    ours = rows.without_values(one(value), "was refused") if value not in (b"nope", None) else None
    line = ours or lines("t", 0, [Message(7, b"nope")])[0][0]
    assert json.loads(line)["m"]["key"] == {"id": 1}
    assert "c" not in json.loads(line)


def test_a_reject_without_a_key_that_can_be_read_leaves_nothing() -> None:
    assert lines("t", 0, [Message(7, b"{}", b"no key")])[0] == lines("t", 0, [Message(7, b"nope", None)])[0] == []
    assert rows.without_values(one(b"{}", None), "was refused") is None


def test_what_the_warehouse_refused_leaves_its_key_once() -> None:
    line = rows.without_values(one(b'{"op":"d","source":{"lsn":1},"after":null}', b'{"c":"}\\""}'), "was refused")
    assert line is not None
    assert json.loads(line)["c"] == {"op": "d", "source": {"lsn": 1}}
    assert (json.loads(line)["m"]["key"], json.loads(line)["m"]["rejected"]) == ({"c": '}"'}, "was refused")


def test_what_the_warehouse_refused_for_half_of_a_surrogate_pair_leaves_its_key() -> None:
    """Half of a pair is JSON, and a column of the type json holds it; few parsers take it, and msgspec does not."""
    line = rows.without_values(one(b'{"op":"u","source":{"lsn":1},"after":{"a":"\\ud800"}}'), "was refused")
    assert line is not None
    assert (json.loads(line)["m"]["key"], json.loads(line)["m"]["rejected"]) == ({"id": 1}, "was refused")


texts = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(value=texts, indent=st.sampled_from([None, 2]), ascii_only=st.booleans())
def test_any_json_means_the_same_in_raw(value: object, indent: int | None, ascii_only: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    try:
        data = text.encode()
    except UnicodeEncodeError:
        return
    assert json.loads(one(data))["c"] == json.loads(text)


def test_few_rows_are_one_array_and_many_a_file_with_the_same_lines() -> None:
    made, size, _ = lines("t", 0, [Message(n, b'{"n":%d}' % n) for n in range(2000)])
    few, many = Lines(), Lines()
    few.extend(made[:10], 1000)
    for at in range(0, 2000, 100):
        many.extend(made[at : at + 100], size // 20)
    assert (few.staged, many.staged) == (False, True)
    assert [row["o"] for row in json.loads(few.array())] == list(range(10))
    assert list(many.offsets().values()) == made
    assert many.offsets()[0, 1999] == made[-1]


def test_many_rows_are_kept_compressed() -> None:
    made, size, _ = lines("t", 0, [Message(n, b'{"t":"%s"}' % (b"x" * 900)) for n in range(1000)])
    kept = Lines()
    for _ in range(20):
        kept.extend(made, size)
    assert sum(map(len, kept.plain)) + sum(map(len, kept.packed)) < kept.size / 10
