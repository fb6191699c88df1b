"""NULL timestamps are fetched as NULL.

Upstream (fakesnow 0.12.1, `arrow.timestamp_to_sf_struct`) builds the struct that the connector reads without a null
mask, so that NULL arrives as 1970-01-01; it also takes every timestamp for microseconds.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
from fakesnow import arrow

NANOSECONDS = 1_000_000_000
UTC_OFFSET = 1440  # the connector subtracts 24 hours' worth of minutes


def timestamp_to_sf_struct(timestamps: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Seconds, nanoseconds and (with a time zone) the offset, NULL where the timestamp is NULL."""
    if isinstance(timestamps, pa.ChunkedArray):
        timestamps = timestamps.combine_chunks()
    unit_per_second = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": NANOSECONDS}[timestamps.type.unit]
    ticks = pc.fill_null(timestamps.cast(pa.int64()), 0)
    quotient = pc.divide(ticks, unit_per_second)
    rest = pc.subtract(ticks, pc.multiply(quotient, unit_per_second))
    before = pc.less(rest, 0)  # integer division truncates: moments before 1970 need the second below
    epoch = pc.subtract(quotient, before.cast(pa.int64()))
    rest = pc.add(rest, pc.multiply(before.cast(pa.int64()), unit_per_second))
    fraction = pc.multiply(rest, NANOSECONDS // unit_per_second).cast(pa.int32())
    columns, fields = [epoch, fraction], [_field("epoch", pa.int64()), _field("fraction", pa.int32())]
    if timestamps.type.tz:
        columns.append(pa.array([UTC_OFFSET] * len(timestamps), type=pa.int32()))
        fields.append(_field("timezone", pa.int32()))
    return pa.StructArray.from_arrays(columns, fields=fields, mask=timestamps.is_null())


def _field(name: str, kind: pa.DataType) -> pa.Field:
    return pa.field(name, kind, nullable=False)


def apply() -> None:
    arrow.timestamp_to_sf_struct = timestamp_to_sf_struct
