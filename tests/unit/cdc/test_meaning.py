"""Whether two texts are one value: exactly, whoever wrote them; what can't be read equals nothing but itself."""

from __future__ import annotations

import pytest

from catchment.cdc.compare.meaning import alike


@pytest.mark.parametrize(
    ("pg_type", "shard", "warehouse", "same"),
    [
        ("jsonb", '{"a": 1.50, "b": [1, 2]}', '{"b":[1,2],"a":1.5}', True),
        ("jsonb", '{"a": [1, 2]}', '{"a":[2,1]}', False),
        ("jsonb", '[{"k": 1, "v": 2}, {"k": 2, "v": 1}]', '[{"k":1,"v":1},{"k":2,"v":2}]', False),
        ("jsonb", '{"a": true}', '{"a":1}', False),
        ("jsonb", '{"a": "1"}', '{"a":1}', False),
        ("jsonb", "9007199254740993", "9007199254740992", False),
        ("jsonb", "null", None, False),
        ("jsonb", "{broken", "{", False),
        ("integer[]", '["1", null]', "[1,null]", True),
        ("integer[]", '["1", null]', "[1]", False),
        ("integer[]", '[["1","2"],["3","4"]]', "[null,null]", False),
        ("text[]", '["1"]', "[1]", True),
        ("numeric[]", '["0.000000000000000001"]', '["0E-18"]', False),
        ("numeric[]", '["0.000000000000000001"]', '["1E-18"]', True),
        ("boolean[]", '["true", null]', "[true,null]", True),
        ("boolean[]", '["true"]', "[false]", False),
        ("bytea[]", r'["\\x00ff"]', '["00ff"]', True),
        ("numeric(18,4)", "1.50", "1.5", True),
        ("numeric", "0.000000000000000001", "0", False),
        ("numeric", "1.00000000049", "1.000000000", False),
        ("numeric", "NaN", "NAN", True),
        ("numeric", "NaN", None, False),
        ("double precision", "0.1", "+-1:450359962737049.720575940379279360", True),
        ("double precision", "NaN", "NaN", True),
        ("text", "a", "a ", False),
        ("text", "", None, False),
        ("text", None, None, True),
        ("date", "0044-03-15 BC", "-0043-03-15Z", True),
        ("date", "0044-03-15 BC", "0044-03-15", False),
        ("date", "1582-10-10", "1582-10-20", False),
        ("date", "20222-03-01", "+20222-03-01Z", True),
        ("date", "infinity", "+5877611-06-21Z", True),
        ("date", "infinity", "-infinity", False),
        ("timestamp", "294276-12-31 23:59:59", "infinity", False),
        ("timestamp", "294276-12-31 23:59:59", "+294276-12-31T23:59:59Z", True),
        ("timestamp(3)", "2026-01-01 00:00:00.5", "2026-01-01 00:00:00.500", True),
        ("timestamp", "2026-01-01 00:00:00", "2026-01-01 00:00:00.000001", False),
        ("timestamptz", "2026-01-01 00:00:00+00", "2026-01-01T01:00:00+01:00", True),
        ("timestamptz", "2026-01-01 00:00:00+00", "2025-12-31T23:00:00Z", False),
        ("time", "24:00:00", "00:00:00", False),
        ("time", "12:00:00", "12:00:00Z", True),
        ("interval", "P1Y2M3DT4H5M6.789S", "P1Y2M3DT4H5M6.789S", True),
        ("interval", "P1D", "PT24H", False),
        ("interval", "P1Y", "P0Y12M0DT0H0M0S", True),
        ("interval", "PT0S", "P", True),
        ("bytea", r"\x00", r"\x01", False),
    ],
)
def test_two_texts_are_alike_when_they_are_one_value(
    pg_type: str, shard: str | None, warehouse: str | None, same: bool
) -> None:
    assert alike(pg_type, shard, warehouse) is same
