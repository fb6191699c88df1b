"""Split a page into records without parsing them.

What the platform only passes on is never decoded: a record keeps the vendor's own bytes, and with them big integers,
key order and odd escapes. Two passes of a C scanner read the page: one cuts out the records and the few fields that
paging needs, one reads each record's key.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter
from typing import Any

import msgspec

from catchment.errors import VendorUnavailable
from catchment.http.words import in_known_words, masked

KeyValue = str | int
Key = KeyValue | tuple[KeyValue, ...]
"""A record's key: the value of its field, or those of several."""

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_SPACE = re.compile(r"[ \t\r\n]*")
_MARKUP = re.compile(r"<[^>]*>?")
_GLIMPSE = 300
"""Bytes of a reply that an error looks at."""


@dataclass(frozen=True)
class Reject:
    """A record that can't be loaded, as text, with the reason."""

    reason: str
    record: str


@dataclass(frozen=True)
class Page:
    """Records as the vendor's bytes, their keys in the same order, and the page's own fields.

    `fields` holds, by dotted path, whatever of the reply paging asked for; absent ones are None. `named` are the fields
    that the splitter was to read beside each record's key; None where it did not.
    """

    records: list[bytes]
    keys: list[Key]
    fields: dict[str, Any]
    rejects: tuple[Reject, ...] = ()
    named: list[Any] | None = None


class Splitter:
    """Cuts replies of one stream. `records` is the dotted path of the list; null there is an empty list.

    "" where the reply is the one record, "[]" where it is the list itself. `fields` are dotted paths too, or names with
    a dot in them, such as OData's "@odata.nextLink". `beside` is a struct type of what else to read of each record: one
    scan less for whoever needs it.

    Whether a record is UTF-8 is left to the warehouse, which refuses the one line that isn't: a scan of every page
    would cost as much as splitting it.
    """

    def __init__(
        self,
        records: str,
        key: tuple[str, ...],
        fields: Iterable[str] = (),
        *,
        absent_is_empty: bool = False,
        beside: Any = None,
    ) -> None:
        self._is_record = records == ""
        self._absent_is_empty = absent_is_empty
        self._path = tuple(records.split(".")) if records not in ("", "[]") else ()
        self._key_names = key
        self._key = msgspec.json.Decoder(_key_struct(key))
        self._key_of: Callable[[Any], Key] = attrgetter(*_aliases(key)) if key else lambda _: ()
        self._beside = beside is not None and _none_named(key, beside)
        struct = _key_struct(key, beside if self._beside else None)
        self._fields: dict[str, Callable[[Any], Any]] = {}
        self._records_in: Callable[[Any], Any] = _itself
        self._keys_in: Callable[[Any], Any] = _itself
        if records == "[]":
            self._of_list(struct, tuple(fields))
        elif self._path:
            self._of_object(struct, fields)

    def _of_list(self, struct: Any, fields: tuple[str, ...]) -> None:
        if fields:
            raise ValueError(f"A reply that is a list has no fields, and its paginator needs {', '.join(fields)}.")
        self._page, self._keys = msgspec.json.Decoder(list[msgspec.Raw]), msgspec.json.Decoder(list[struct])

    def _of_object(self, struct: Any, fields: Iterable[str]) -> None:
        names = {name: (tuple(name.split(".")), (name,)) for name in fields}
        wanted: dict[tuple[str, ...], Any] = {path: Any for paths in names.values() for path in paths}
        page, keys = _nested({**wanted, self._path: list[msgspec.Raw]}), _nested({self._path: list[struct]})
        self._page, self._keys = msgspec.json.Decoder(page), msgspec.json.Decoder(keys)
        self._records_in, self._keys_in = _getter(page, self._path), _getter(keys, self._path)
        self._fields = {name: _either(*(_getter(page, path) for path in paths)) for name, paths in names.items()}

    def split(self, body: bytes) -> Page:
        """The page of a reply. A reply that is no JSON, or holds no list, raises `VendorUnavailable`."""
        if self._is_record:
            return self._single(body)
        try:
            page = self._page.decode(body)
        except UNREADABLE as error:
            return self._tolerant(body, error)
        raws = self._records_in(page)
        fields = {path: field_in(page) for path, field_in in self._fields.items()}
        if raws is None:
            return self._null(json.loads(body.decode("utf-8", "surrogateescape")), fields, body)
        try:
            read = self._keys_in(self._keys.decode(body))
        except UNREADABLE:
            return self._sort_out(raws, fields)
        records = raws if b"\n" not in body else _one_line_each(raws)
        keys = list(map(self._key_of, read))
        return Page(records=records, keys=keys, fields=fields, named=read if self._beside else None)

    def _single(self, body: bytes) -> Page:
        try:
            key = self._key.decode(body)
        except UNREADABLE as error:
            raise VendorUnavailable(f"the reply is not the record it should be ({error}): {_glimpse(body)}") from error
        return Page(records=_one_line_each([body.strip()]), keys=[self._key_of(key)], fields={})

    def _sort_out(self, raws: Iterable[bytes | msgspec.Raw], fields: dict[str, Any]) -> Page:
        """The slow way, for a page with a bad record: keep the good ones, reject the others with their reason."""
        records, keys, rejects = [], [], []
        for raw in raws:
            data = bytes(raw)
            reason = None if _is_utf8(data) else "is not valid UTF-8"
            if reason is None:
                try:
                    key = self._key.decode(data)
                except msgspec.ValidationError as error:
                    reason = f"key {'+'.join(self._key_names)}: {error}"
                except msgspec.DecodeError:
                    reason = "is not valid JSON: it holds half a surrogate pair, or a number such as NaN"
            if reason is None:
                records.append(data)
                keys.append(self._key_of(key))
            else:
                rejects.append(Reject(reason=reason, record=data.decode("utf-8", "backslashreplace")))
        return Page(records=_one_line_each(records), keys=keys, fields=fields, rejects=tuple(rejects))

    def _tolerant(self, body: bytes, error: Exception) -> Page:
        """For a page that the strict scanner refuses: Python's reader knows lone surrogates, and finds the culprits."""
        text = body.decode("utf-8", "surrogateescape")
        try:
            reply = json.loads(text)
        except (ValueError, RecursionError):
            raise VendorUnavailable(f"the reply is not JSON ({error}): {_glimpse(body)}") from error
        fields = {name: _either(_at(*name.split(".")), _at(name))(reply) for name in self._fields}
        if not isinstance(_dig(reply, self._path), list):
            return self._null(reply, fields, body)
        raws = [part.encode("utf-8", "surrogateescape") for part in _slices(text, self._path)]
        return self._sort_out(raws, fields)

    def _null(self, reply: Any, fields: dict[str, Any], body: bytes) -> Page:
        """An empty page for a reply that is null where its list should be, or lacks it where that is declared."""
        above = _dig(reply, self._path[:-1]) if self._path else None
        null = isinstance(above, dict) and above.get(self._path[-1], reply) is None
        if null or (self._absent_is_empty and isinstance(reply, dict) and _dig(reply, self._path) is None):
            return Page(records=[], keys=[], fields=fields)
        where = f'has no list "{".".join(self._path)}" where the records should be' if self._path else "is not a list"
        raise VendorUnavailable(f"the reply {where}: {_glimpse(body)}")


def _itself(value: Any) -> Any:
    return value


@lru_cache(256)
def splitter_for(
    records: str,
    key: tuple[str, ...],
    fields: tuple[str, ...] = (),
    *,
    absent_is_empty: bool = False,
    beside: Any = None,
) -> Splitter:
    """The splitter for such replies. It has no state; making one costs more than splitting a small page."""
    return Splitter(records, key, fields, absent_is_empty=absent_is_empty, beside=beside)


def first_part(key: Key) -> KeyValue:
    """The first of the values that a key is made of."""
    return key[0] if isinstance(key, tuple) else key


def _at(*path: str) -> Callable[[Any], Any]:
    """The value at a path of a reply; None where it ends early in something empty (PHP writes `[]` for an object)."""

    def get(value: Any) -> Any:
        for name in path:
            if value and not isinstance(value, dict):
                raise VendorUnavailable(f'it has no object where its "{".".join(path)}" should be')
            value = value.get(name) if value else None
        return value

    return get


def _either(first: Callable[[Any], Any], other: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def get(value: Any) -> Any:
        found = first(value)
        return other(value) if found is None else found

    return get


def _nested(leaves: dict[tuple[str, ...], Any]) -> Any:
    """A struct type whose fields are the given paths; a path that is absent or null decodes as None."""
    tree: dict[str, Any] = {}
    for path, kind in leaves.items():
        node = tree
        for name in path[:-1]:
            node = node.setdefault(name, {})
        node[path[-1]] = kind
    return _struct(tree)


def _struct(tree: dict[str, Any]) -> Any:
    names = {f"f{i}": name for i, name in enumerate(tree)}
    fields = [
        (alias, _struct(tree[name]) | None if isinstance(tree[name], dict) else tree[name], None)
        for alias, name in names.items()
    ]
    return msgspec.defstruct("Reply", fields, rename=names, gc=False)


def _getter(struct: Any, path: tuple[str, ...]) -> Callable[[Any], Any]:
    """A function from a decoded reply to the value at `path`; None where the path is absent."""
    aliases = []
    for name in path:
        field = next(field for field in msgspec.structs.fields(struct) if field.encode_name == name)
        aliases.append(field.name)
        struct = next((kind for kind in getattr(field.type, "__args__", ()) if kind is not type(None)), None)

    def get(value: Any) -> Any:
        for alias in aliases:
            value = getattr(value, alias, None)
        return value

    return get


def _aliases(key: tuple[str, ...]) -> dict[str, str]:
    return {f"f{i}": name for i, name in enumerate(key)}


def _key_struct(key: tuple[str, ...], beside: Any = None) -> Any:
    names = _aliases(key)
    fields: list[Any] = [(alias, KeyValue) for alias in names]
    bases = (beside,) if beside else None
    return msgspec.defstruct("Key", fields, bases=bases, rename=names, frozen=True, kw_only=True, gc=False)


def _none_named(key: tuple[str, ...], beside: Any) -> bool:
    return not any(field.encode_name in key for field in msgspec.structs.fields(beside))


def _dig(value: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _slices(text: str, path: tuple[str, ...]) -> list[str]:
    """The source text of each element of the list at `path` in a JSON text that is known to be well formed."""
    decoder = json.JSONDecoder()
    at = _find(text, path, decoder)
    parts = []
    at = _skip(text, at + 1)
    while text[at] != "]":
        _, end = decoder.raw_decode(text, at)
        parts.append(text[at:end])
        at = _skip(text, end)
        at = _skip(text, at + 1) if text[at] == "," else at
    return parts


def _find(text: str, path: tuple[str, ...], decoder: json.JSONDecoder) -> int:
    """Where the value at `path` begins."""
    at = _skip(text, 0)
    for wanted in path:
        name: str | None = None
        while name != wanted:
            name, end = decoder.raw_decode(text, _skip(text, at + 1))
            at = _skip(text, _skip(text, end) + 1)
            if name != wanted:
                _, end = decoder.raw_decode(text, at)
                at = _skip(text, end)
    return at


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _is_utf8(data: bytes) -> bool:
    try:
        str(data, "utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _one_line_each(records: list[Any]) -> list[bytes]:
    """Records without line breaks: JSON has them between tokens only, where a space means the same."""
    return [bytes(record).replace(b"\r\n", b" ").replace(b"\n", b" ") for record in records]


def _glimpse(body: bytes) -> str:
    """What a reply looks like, for an error message. Records may name people: only the words of errors are shown."""
    text = body[:_GLIMPSE].decode("utf-8", "replace").lstrip("\ufeff \t\r\n")
    if text[:1] in ("{", "[", '"'):
        return f"{len(body)} bytes that begin like JSON"
    words = in_known_words(masked(_MARKUP.sub(" ", text)))
    return f'"{words}" ({len(body)} bytes{" of HTML" if text[:1] == "<" else ""})'
