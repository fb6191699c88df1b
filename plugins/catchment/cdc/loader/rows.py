"""Kafka records as rows of raw, without parsing them.

A row is one line of JSON, the same for both ways into the warehouse (a bound array, a staged file):

    {"p": partition, "o": offset, "m": {RECORD_METADATA}, "c": RECORD_CONTENT}

`c` is the record's value, byte for byte but for line breaks between tokens, and is left out for a tombstone, so that
RECORD_CONTENT is NULL. The metadata has the names that Snowflake's sink writes with schematization off.

A rejected record leaves a row too, if its key can be read: otherwise nobody would know that this key has changed. Its
metadata has the reason as `rejected`, and its content is what says which change it was: `op`, `source`, the times.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec
import zstandard

# A VARIANT holds 16 MB, the line's metadata included. (Accounts with the larger limit hold 128 MB.)
LONGEST = 16_000_000
LONGEST_REJECT = 1_000_000
STAGED_FROM_BYTES = 1_000_000
STAGED_FROM_ROWS = 500

_CHECK = msgspec.json.Decoder(msgspec.Raw)
_BROKEN = (msgspec.DecodeError, RecursionError)


class _Change(msgspec.Struct, omit_defaults=True):
    """What is kept of a rejected record's value: which change it was, without the row."""

    op: str
    source: msgspec.Raw
    ts_ms: int | msgspec.UnsetType | None = msgspec.UNSET


_CHANGE = msgspec.json.Decoder(_Change)
# How a line begins: its partition, its offset, and whether a key follows. No parser is asked: one may refuse a line.
_HEAD = re.compile(
    rb'\{"p":(?P<p>\d+),"m":\{"topic":"[^"]*","partition":\d+,"offset":(?P<o>\d+),"CreateTime":-?\d+(?P<key>,"key":)?'
)


class Record(Protocol):
    """What we use of a Kafka client's record. `timestamp` is in milliseconds since 1970."""

    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...


@dataclass(frozen=True)
class Rejected:
    """A record that can't be loaded, and why."""

    topic: str
    partition: int
    offset: int
    reason: str
    record: bytes | None

    @property
    def file(self) -> str:
        """Where the record is, as the rejects name it."""
        return f"kafka://{self.topic}/{self.partition}"

    @property
    def text(self) -> str | None:
        """The record as far as a reject keeps it. Kafka has all of it, for as long as it keeps records."""
        return None if self.record is None else self.record[:LONGEST_REJECT].decode("utf-8", "backslashreplace")


@dataclass
class Lines:
    """The rows of one topic, as lines. Many are kept compressed: memory does not grow with the batch."""

    count: int = 0
    size: int = 0
    plain: list[bytes] = field(default_factory=list)
    packed: list[bytes] = field(default_factory=list)
    _packer: Any = None
    _waiting: int = 0

    @property
    def staged(self) -> bool:
        """Whether they are many: then they go through a staged file, else in a statement's binding."""
        return self.count > STAGED_FROM_ROWS or self.size > STAGED_FROM_BYTES

    def extend(self, lines: list[bytes], size: int) -> None:
        """Take lines of `size` bytes in all; each ends in a line break."""
        self.plain += lines
        self.count += len(lines)
        self.size += size
        self._waiting += size
        if self.staged and self._waiting > STAGED_FROM_BYTES:
            self._pack()

    def array(self) -> str:
        """All of them as one JSON array."""
        return "[" + b",".join(self.plain).decode() + "]"

    def file(self) -> bytes:
        """All of them as a file of zstd-compressed lines. No line can be taken after that."""
        self._pack()
        if self._packer is not None:
            self.packed.append(self._packer.flush())
            self._packer = None
        self.packed = [b"".join(self.packed)]
        return self.packed[0]

    def offsets(self) -> dict[tuple[int, int], bytes]:
        """Each line by its (partition, offset): the slow way, to find what the warehouse refused."""
        text = zstandard.ZstdDecompressor().decompressobj().decompress(self.file())
        found = {}
        for line in text.splitlines(keepends=True):
            head = _head(line)
            found[int(head["p"]), int(head["o"])] = line
        return found

    def _pack(self) -> None:
        if self._packer is None:
            if self.packed:
                return
            self._packer = zstandard.ZstdCompressor(level=1).compressobj()
        self.packed.append(self._packer.compress(b"".join(self.plain)))
        self.plain.clear()
        self._waiting = 0


def lines(topic: str, partition: int, records: Iterable[Record]) -> tuple[list[bytes], int, list[Rejected]]:
    """The records of one partition as lines, the lines' bytes in all, and the records that can't be lines."""
    head = b'{"p":%d,"m":{"topic":%b,"partition":%d,"offset":' % (partition, json.dumps(topic).encode(), partition)
    made: list[bytes] = []
    rejects: list[Rejected] = []
    for record in records:
        offset, key, value = record.offset, record.key, record.value
        bad_value = bad_key = None
        if value is not None and not _is_plain_json(value):
            bad_value, value = _why_not(value), _without_breaks(value)
        if key is not None and not _is_plain_json(key):
            bad_key, key = _why_not(key, "its key "), _without_breaks(key)
        start = b'%b%d,"CreateTime":%d' % (head, offset, record.timestamp)
        if key is not None and bad_key is None:
            start += b',"key":%b' % key
        end = b',"o":%d' % offset
        line = b"%b}%b%b}\n" % (start, end, b"" if value is None else b',"c":' + value)
        reason = bad_value or bad_key
        if reason is None and len(line) > LONGEST:
            reason = f"has {len(line)} bytes, more than the {LONGEST} that a VARIANT holds"
        if reason is None:
            made.append(line)
            continue
        rejects.append(Rejected(topic, partition, offset, reason, record.value))
        if key is not None and bad_key is None:
            made.append(_line_of_reject(start, end, reason, None if bad_value else value))
    return made, sum(map(len, made)), rejects


def without_values(line: bytes, reason: str) -> bytes | None:
    """The line of a rejected record for a line that the warehouse refused; None where it has no key."""
    head = _head(line)
    if not head["key"]:
        return None
    end = b',"o":%b' % head["o"]
    start, _, value = line.partition(b"}" + end)
    return _line_of_reject(start, end, reason, value.removeprefix(b',"c":')[:-2] or None)


def _line_of_reject(start: bytes, end: bytes, reason: str, value: bytes | None) -> bytes:
    """A line without the row's values. `start` ends inside of the metadata."""
    rejected = msgspec.json.encode(reason)
    try:
        content = b',"c":' + msgspec.json.encode(_CHANGE.decode(value)) if value is not None else b""
    except (*_BROKEN, msgspec.ValidationError):
        content = b""  # it is no change as Debezium writes it
    return b'%b,"rejected":%b}%b%b}\n' % (start, rejected, end, content)


def _is_plain_json(data: bytes) -> bool:
    """Whether it is one JSON value that can be spliced as it is."""
    try:
        _CHECK.decode(data)
        if not data.isascii():
            data.decode()
    except (*_BROKEN, UnicodeDecodeError):
        return False
    return b"\n" not in data and b"\r" not in data


def _without_breaks(data: bytes) -> bytes:
    """The same JSON in one line: it has breaks between tokens only, where a space means the same."""
    return data.replace(b"\r", b" ").replace(b"\n", b" ")


def _why_not(data: bytes, what: str = "") -> str | None:
    """Why it is not JSON; None where it is. Python's reader knows halves of surrogate pairs, which are valid."""
    try:
        json.loads(data.decode(), parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        return f"{what}is not UTF-8 (byte {error.start})"
    except ValueError as error:
        return f"{what}is not JSON: {error}"
    except RecursionError:
        return f"{what}is nested too deeply"
    return None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def _head(line: bytes) -> re.Match[bytes]:
    found = _HEAD.match(line)
    if found is None:
        raise ValueError(f"{line[:80]!r} is no line of ours")
    return found
