"""Secret fields are dropped and personal ones hashed, before anything is written.

Only the named fields are touched: along a field's path a record is opened one level at a time, and everything beside
the path keeps the vendor's own bytes. The rules hold for rejects, too; one that can't be read well enough to apply them
is withheld.
"""

from __future__ import annotations

import hashlib
import hmac
import unicodedata
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from catchment.errors import NeedsPerson
from catchment.extract.splitter import UNREADABLE, Reject

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_TEXT = msgspec.json.Decoder(str)
_encode = msgspec.json.Encoder().encode
_DROP = object()
Rule = Callable[[bytes], Any]


def _withheld(reason: str, record: bytes) -> Reject:
    digest = hashlib.sha256(record).hexdigest()[:16]
    return Reject(reason, f"withheld, since it may hold personal fields: {len(record)} bytes, sha256 {digest}…")


def hashed(value: str, key: bytes) -> str:
    """`hmac-sha256:` and 64 hex digits. Case, outer spaces and Unicode composition don't count, so that one e-mail
    address has one hash at every vendor."""
    plain = unicodedata.normalize("NFC", value).strip().casefold()
    return "hmac-sha256:" + hmac.digest(key, plain.encode("utf-8"), "sha256").hex()


class Privacy:
    """Applies a stream's rules to its records; with no rules, records pass untouched."""

    def __init__(self, *, secret: Iterable[str], personal: Iterable[str], key: bytes) -> None:
        personal = tuple(personal)
        if personal and not key:
            raise NeedsPerson(
                'Personal fields need a key to hash with: set the password of the connection "catchment_pii".'
            )
        self._key = key
        self._rules: dict[str, Any] = {}
        for path in secret:
            self._add(path, lambda _: _DROP)
        for path in personal:
            self._add(path, self._hash)

    def apply(self, records: list[bytes], rejects: tuple[Reject, ...] = ()) -> tuple[list[bytes], tuple[Reject, ...]]:
        """Records and rejects with the rules applied. A record that can't be opened joins the rejects."""
        if not self._rules:
            return records, rejects
        rejects = tuple(self._hide(reject) for reject in rejects)
        try:
            return [self._walk(record, self._rules) for record in records], rejects
        except UNREADABLE:
            return self._sort_out(records, rejects)

    def _sort_out(self, records: list[bytes], rejects: tuple[Reject, ...]) -> tuple[list[bytes], tuple[Reject, ...]]:
        readable, withheld = [], []
        for record in records:
            try:
                readable.append(self._walk(record, self._rules))
            except UNREADABLE:
                withheld.append(_withheld("a personal or secret field of it can't be read", bytes(record)))
        return readable, (*rejects, *withheld)

    def _hide(self, reject: Reject) -> Reject:
        try:
            return Reject(reject.reason, self._walk(reject.record.encode(), self._rules).decode())
        except UNREADABLE:
            return _withheld(reject.reason, reject.record.encode())

    def _add(self, path: str, rule: Rule) -> None:
        *above, last = path.split(".")
        node = self._rules
        for name in above:
            node = node.setdefault(name, {})
        node[last] = rule

    def _walk(self, data: Any, rules: dict[str, Any]) -> bytes:
        """The value with `rules` applied to its fields, or to those of each of its elements where it is a list."""
        try:
            value: dict[str, Any] = _OBJECT.decode(data)
        except msgspec.ValidationError:
            return self._walk_list(data, rules)
        for name, rule in rules.items():
            if name not in value:
                continue
            if isinstance(rule, dict):
                value[name] = msgspec.Raw(self._walk(value[name], rule))
                continue
            replaced = rule(value[name])
            if replaced is _DROP:
                del value[name]
            else:
                value[name] = replaced
        return _encode(value)

    def _walk_list(self, data: Any, rules: dict[str, Any]) -> bytes:
        try:
            items = _LIST.decode(data)
        except msgspec.ValidationError:
            return bytes(data)  # neither an object nor a list: there is no such field in it
        return _encode([msgspec.Raw(self._walk(item, rules)) for item in items])

    def _hash(self, data: Any) -> Any:
        """A string's hash; each leaf's hash in a list or object; null and "" stay, for they name nobody."""
        raw = bytes(data).strip()
        match raw[:1]:
            case b'"':
                text = _TEXT.decode(raw)
                return hashed(text, self._key) if text else text
            case b"[":
                return [self._hash(item) for item in _LIST.decode(raw)]
            case b"{":
                return {name: self._hash(item) for name, item in _OBJECT.decode(raw).items()}
            case _ if raw == b"null":
                return None
            case _:
                return hashed(raw.decode(), self._key)
