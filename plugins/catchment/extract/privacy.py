"""Secret fields are dropped and personal ones hashed, before anything is written.

Only the bytes of the named fields change. A page is read twice: its structure says how many named fields it has, a text
search where they are. When both agree, the page is done in one pass; otherwise each record is walked field by field
(`spans`). The rules hold for rejects, too; one that can't be read well enough to
apply them is withheld.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec

from catchment.errors import NeedsPerson
from catchment.extract.spans import NESTED, SIMPLE, Rules, edited
from catchment.extract.splitter import UNREADABLE, Reject

_JSON = msgspec.json.Decoder(msgspec.Raw)
_TEXT = msgspec.json.Decoder(str)
_PREFIX = '"hmac-sha256:'
_LEAF = re.compile(rb"(" + SIMPLE + rb")(\s*:)?", re.DOTALL)
_ESCAPED_NAME = re.compile(rb'\\u[0-9a-fA-F]{4}[^"\\]*"\s*:')
_PLAIN_NAME = re.compile(rb'[^"\\/\x00-\x1f\x7f]+')
Digests = Callable[[Iterable[bytes]], list[str]]


def _withheld(reason: str, record: bytes) -> Reject:
    digest = hashlib.sha256(record).hexdigest()[:16]
    return Reject(reason, f"withheld, since it may hold personal fields: {len(record)} bytes, sha256 {digest}…")


def hashed(value: str, key: bytes) -> str:
    """`hmac-sha256:` and 64 hex digits. Case, outer spaces and Unicode composition don't count, so that one e-mail
    address has one hash at every vendor."""
    plain = unicodedata.normalize("NFC", value).strip().casefold()
    return "hmac-sha256:" + keyed_digests(key)((plain.encode("utf-8"),))[0]


def keyed_digests(key: bytes) -> Digests:
    """HMAC-SHA256 of texts under `key` (RFC 2104), as hex digits.

    `hmac.digest` takes twice as long for short texts, and lets go of the interpreter's lock for each of them, so
    that the threads that read pages wait for each other.
    """
    block = (hashlib.sha256(key).digest() if len(key) > 64 else key).ljust(64, b"\0")
    inner, outer = (hashlib.sha256(bytes(byte ^ pad for byte in block)).copy for pad in (0x36, 0x5C))

    def digests(texts: Iterable[bytes]) -> list[str]:
        found = []
        for text in texts:
            within, around = inner(), outer()
            within.update(text)
            around.update(within.digest())
            found.append(around.hexdigest())
        return found

    return digests


class Hidden(NamedTuple):
    """What of a page may be landed: its records as JSON Lines, how many they are, and the rejects."""

    lines: bytes
    rows: int
    rejects: tuple[Reject, ...]


def _lines(records: Iterable[bytes]) -> bytes:
    return b"\n".join((*records, b""))  # one copy of the page, where `+ b"\n"` makes two


class Privacy:
    """Applies a stream's rules to its records; with no rules, records pass untouched."""

    def __init__(self, *, secret: Iterable[str], personal: Iterable[str], key: bytes) -> None:
        secret, personal = tuple(secret), tuple(personal)
        if personal and not key:
            raise NeedsPerson(
                'Personal fields need a key to hash with: set the password of the connection "catchment_pii".'
            )
        self._rules: Rules = {}
        digests = keyed_digests(key)
        hide = partial(_hash_leaves, digests)
        for path in personal:
            _add(self._rules, path, hide)
        for path in secret:
            _add(self._rules, path, lambda _: None)
        self._page = _Page(self._rules, hide, digests) if _Page.can(self._rules) and not secret else None
        self.structure: Any = self._page.structure if self._page else None
        """The struct type of the named fields, for whoever reads the records anyway."""

    def apply(
        self, records: Sequence[bytes], rejects: tuple[Reject, ...] = (), *, named: list[Any] | None = None
    ) -> Hidden:
        """A page's records and rejects with the rules applied. A record that can't be read joins the rejects.

        `named`: the records' `structure`s, where they are known.
        """
        if not self._rules:
            return Hidden(_lines(records), len(records), rejects)
        rejects = tuple(self._hide(reject) for reject in rejects)
        if self._page and (lines := self._page.apply(records, named)) is not None:
            return Hidden(lines, len(records), rejects)
        done: list[bytes] = []
        withheld: list[Reject] = []
        for record in map(bytes, records):
            try:
                done.append(self._edited(record))
            except UNREADABLE:
                withheld.append(_withheld("a personal or secret field of it can't be read", record))
        return Hidden(_lines(done), len(done), (*rejects, *withheld))

    def _edited(self, record: bytes) -> bytes:
        _JSON.decode(record)
        return edited(record, self._rules)

    def _hide(self, reject: Reject) -> Reject:
        try:
            return Reject(reject.reason, self._edited(reject.record.encode()).decode())
        except UNREADABLE:
            return _withheld(reject.reason, reject.record.encode())


def _add(rules: Rules, path: str, rule: Callable[[bytes], bytes | None]) -> None:
    """A rule for a field holds for all that is below it."""
    *above, last = path.encode().split(b".")
    for name in above:
        rules = rules.setdefault(name, {})
        if callable(rules):
            return
    rules[last] = rule


def _hash_leaves(digests: Digests, value: bytes) -> bytes:
    """A string's hash; each leaf's in a list or object. Names of fields stay, and null and "", which name nobody."""
    if value[0] in b"{[":
        return _LEAF.sub(lambda leaf: leaf[0] if leaf[2] else _hash_leaves(digests, leaf[1]), value)
    if value in (b"null", b'""'):
        return value
    if value.isascii() and b"\\" not in value:
        plain = value.strip(b'"').strip().lower()
    else:
        plain = unicodedata.normalize("NFC", _TEXT.decode(value)).strip().casefold().encode()
    return f'{_PREFIX}{digests((plain,))[0]}"'.encode()


class _Page:
    """Hashes the personal fields of a whole page at once, or says that the page needs a closer look.

    A named field that the structure shows has its name in the text, quoted and followed by a colon. So when the text
    has as many such names as the structure has fields, each of them is one. It has more when a name stands elsewhere,
    too, or twice in one object; a name spelled with escapes is looked for apart.
    """

    @staticmethod
    def can(rules: Rules) -> bool:
        """Whether names tell the fields apart: none needs an escape, and no field is called as one above a field."""
        above, last = _names(rules)
        return bool(last) and not above & last and all(map(_PLAIN_NAME.fullmatch, last))

    def __init__(self, rules: Rules, hide: Callable[[bytes], bytes], digests: Digests) -> None:
        self.structure, self._shape = _shape(rules)
        self._decode = msgspec.json.Decoder(self.structure).decode_lines
        self._at_paths = [attrgetter(path) for path in _paths(self._shape)]
        names = sorted(_names(rules)[1])
        self._name = b'"%b":' % names[0] if len(self._at_paths) == 1 else None
        name = b'"' + b"(?:%b)" % b"|".join(map(re.escape, names)) + b'"'
        value = SIMPLE + rb"|" + NESTED
        self._split = re.compile(rb"(" + name + rb"\s*:\s*)(" + value + rb")?", re.DOTALL).split
        self._hide = hide
        self._digests = digests

    def _hidden(self, values: list[bytes]) -> Iterable[bytes]:
        """The hashes of a page's values. Where all are strings of plain ASCII, they are made ready at once."""
        joined = b"\n".join(values)
        texts = joined.lower()[1:-1].split(b'"\n"')
        strings = joined[:1] == b'"' and len(texts) == len(values)  # nothing else begins and ends with a quote
        if not strings or b"\\" in joined or not joined.isascii() or b"" in texts:
            return map(self._hide, values)
        digests = self._digests(map(bytes.strip, texts))
        return (_PREFIX + f'"\n{_PREFIX}'.join(digests) + '"').encode().split(b"\n")

    def _values(self, objects: list[Any]) -> list[Any] | None:
        """The values of the fields without fields below them; None if an object lacks one on the way, or has a list."""
        try:
            found = [value for at_path in self._at_paths for value in map(at_path, objects)]
        except AttributeError:
            return None
        return [value for value in found if value is not msgspec.UNSET] if msgspec.UNSET in found else found

    def _parts(self, text: bytes, values: list[Any] | None) -> list[Any]:
        """The text cut into what stands before the first field, and for each its name, its value, what follows.

        One field's values, which the structure has told, are cut off from what follows its name. That fails where the
        vendor writes blanks, or some values have line breaks; and for several fields, a search of all is faster.
        """
        if values and self._name:
            raws = b"\n".join(values).split(b"\n")
            before, *rest = text.split(self._name)
            if len(rest) == len(raws):
                after = list(map(bytes.removeprefix, rest, raws))
                if sum(map(len, rest)) - sum(map(len, after)) == sum(map(len, raws)):
                    parts = [self._name] * (3 * len(raws) + 1)
                    parts[0], parts[2::3], parts[3::3] = before, raws, after
                    return parts
        return self._split(text)

    def apply(self, records: Sequence[bytes], named: list[Any] | None) -> bytes | None:
        """The records as lines, with their personal fields hashed; None: one by one."""
        text = _lines(records)
        try:
            found = self._decode(text) if named is None else named
            values = self._values(found)
            parts = self._parts(text, values)
            fields = _leaves(found, self._shape) if values is None else len(values)
            if len(found) != len(records) or fields != len(parts) // 3:
                return None
            if not all(parts[2::3]) or (b"\\" in text and _ESCAPED_NAME.search(text)):
                return None
            parts[2::3] = self._hidden(parts[2::3])
        except UNREADABLE:
            return None
        return b"".join(parts)


def _names(rules: Rules) -> tuple[set[bytes], set[bytes]]:
    """The names of fields that have rules below them, and of those that have a rule."""
    above, last = set(), set()
    for name, rule in rules.items():
        if isinstance(rule, dict):
            below = _names(rule)
            above |= {name} | below[0]
            last |= below[1]
        else:
            last.add(name)
    return above, last


def _shape(rules: Rules) -> tuple[Any, list[Any]]:
    """A struct type of the named fields, and per field: its attribute, the type of its objects and their own shape."""
    fields, shape, names = [], [], {}
    for number, (name, rule) in enumerate(rules.items()):
        alias = f"p{number}"
        names[alias] = name.decode()
        kind, under = _shape(rule) if isinstance(rule, dict) else (None, [])
        value = kind | list[kind | _SCALARS] | _SCALARS if kind else msgspec.Raw  # type: ignore[valid-type]
        fields.append((alias, value | msgspec.UnsetType, msgspec.UNSET))
        shape.append((alias, kind, under))
    return msgspec.defstruct("Fields", fields, rename=names, gc=False), shape


_SCALARS = str | int | float | bool | None


def _paths(shape: list[Any]) -> Iterator[str]:
    """The dotted attributes of the fields without fields below them."""
    for field, kind, under in shape:
        yield from (field,) if kind is None else (f"{field}.{path}" for path in _paths(under))


def _leaves(objects: list[Any], shape: list[Any]) -> int:
    """How many fields without fields below them the objects have."""
    total = 0
    for field, kind, under in shape:
        values = list(map(attrgetter(field), objects))
        if kind is None:
            total += sum([value is not msgspec.UNSET for value in values])
            continue
        below = [value for value in values if type(value) is kind]
        if len(below) < len(values):
            lists = [item for value in values if type(value) is list for item in value]
            below += [item for item in lists if type(item) is kind]
        total += _leaves(below, under)
    return total
