"""Parquet files: each row as one JSON object, with the values that Snowflake's $1 has.

Without USE_LOGICAL_TYPE, a time whose column has only a logical type (and none of the older converted types) is the
whole number that is stored: so does Snowflake by default, and pyarrow, pandas and Polars write such columns.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, time
from decimal import Decimal
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from local.warehouse import errors
from local.warehouse.files.batch import Batch, Rejected, records

ROWS = 10_000


@dataclass(frozen=True)
class Options:
    """The options of a Parquet file format that change what is read."""

    logical_types: bool = False
    binary_as_text: bool = True

    def read(self, file: BinaryIO, _columns: int) -> Iterator[Batch]:
        """The file's rows, some thousands at a time. A file that is not Parquet is one rejected record."""
        try:
            parquet = pq.ParquetFile(file, coerce_int96_timestamp_unit="us")
        except pa.ArrowInvalid as error:
            yield Batch(records([], []), (Rejected(1, 1, f"Not a Parquet file: {error}"),))
            return
        columns = [parquet.schema.column(i) for i in range(len(parquet.schema))]
        leaves = iter(columns)
        fields = [(f.name, self._kind(f.name, f.type, leaves)) for f in parquet.schema_arrow]
        done = 0
        for batch in parquet.iter_batches(ROWS):
            rows = pa.Table.from_batches([batch]).cast(pa.schema(fields)).to_pylist()
            yield Batch(records([_json(row) for row in rows], range(done + 1, done + 1 + len(rows))))
            done += len(rows)

    def _kind(self, path: str, kind: pa.DataType, leaves: Iterator[Any]) -> pa.DataType:
        """The type that a value is read as. Takes the type's own columns from `leaves`, in the file's order."""
        if pa.types.is_struct(kind):
            fields = [kind.field(i) for i in range(kind.num_fields)]
            return pa.struct([(f.name, self._kind(f"{path}.{f.name}", f.type, leaves)) for f in fields])
        if pa.types.is_list(kind) or pa.types.is_large_list(kind):
            return pa.list_(self._kind(f"{path}[]", kind.value_type, leaves))
        leaf = next(leaves)
        for matches, read_as in _KINDS:
            if matches(kind):
                return read_as(self, kind, leaf)
        raise errors.unsupported(f"the Parquet type {kind} of the column {path}")

    def _time(self, kind: pa.DataType, leaf: Any) -> pa.DataType:
        if not (self.logical_types or leaf.converted_type != "NONE" or leaf.physical_type == "INT96"):
            return pa.int64() if kind.bit_width == 64 else pa.int32()
        return pa.timestamp("us") if pa.types.is_timestamp(kind) else pa.time64("us")

    def _binary(self, _kind: pa.DataType, _leaf: Any) -> pa.DataType:
        return pa.string() if self.binary_as_text else pa.binary()


def _as_it_is(_options: Options, kind: pa.DataType, _leaf: Any) -> pa.DataType:
    return kind


Matches = Callable[[pa.DataType], bool]
ReadAs = Callable[[Options, pa.DataType, Any], pa.DataType]
_KINDS: tuple[tuple[Matches, ReadAs], ...] = (
    (pa.types.is_timestamp, Options._time),
    (pa.types.is_time, Options._time),
    (pa.types.is_binary, Options._binary),
    (pa.types.is_large_binary, Options._binary),
    (pa.types.is_dictionary, lambda _options, kind, _leaf: kind.value_type),
    *((matches, _as_it_is) for matches in (
        pa.types.is_null, pa.types.is_boolean, pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal,
        pa.types.is_date, pa.types.is_string, pa.types.is_large_string,
    )),
)  # fmt: skip


def _json(value: Any) -> str:
    """A value as JSON text; decimals keep all their digits."""
    if isinstance(value, dict):
        return f"{{{','.join(f'{_quoted(k)}:{_json(v)}' for k, v in value.items())}}}"
    if isinstance(value, list):
        return f"[{','.join(map(_json, value))}]"
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, Decimal):
        return format(value, "f")
    if value is None or isinstance(value, bool | int):
        return json.dumps(value)
    return _quoted(_text(value))


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _number(value: float) -> str:
    if not math.isfinite(value):
        raise errors.unsupported(f"the number {value} in a Parquet file")
    return repr(value).removesuffix(".0")


def _text(value: Any) -> str:
    if isinstance(value, datetime | time):
        exact = "microseconds" if value.microsecond % 1000 else "milliseconds"
        return value.isoformat(timespec=exact).replace("T", " ")
    return value.hex().upper() if isinstance(value, bytes) else str(value)
