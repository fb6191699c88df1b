"""Bodies of replies: without a gzip that no header told of and a byte order mark, and the errors in good ones."""

from __future__ import annotations

import gzip
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from typing import Any, BinaryIO, cast

import msgspec
from urllib3 import BaseHTTPResponse, HTTPResponse

from catchment.errors import VendorUnavailable

_GZIP = b"\x1f\x8b"
_BOM = b"\xef\xbb\xbf"
_CHUNK = 256 * 1024
_NO_ERROR = (b"null", b"false", b"0", b'""', b"[]", b"{}")


def plain(body: bytes) -> bytes:
    """The body of a reply. No JSON begins like gzip: storages serve `.json.gz` and say nothing of it in a header.

    Raises:
        VendorUnavailable: It is gzip, and not whole.
    """
    if body[:2] == _GZIP:
        with _whole():
            body = gzip.decompress(body)
    return body.removeprefix(_BOM)


def spool(reply: BaseHTTPResponse, into: BinaryIO) -> None:
    """Write the body of a reply whose content is not read yet to a file, from its beginning.

    Raises:
        VendorUnavailable: It is gzip, and not whole.
        urllib3.exceptions.HTTPError: The connection fails.
    """
    into.seek(0)
    into.truncate()
    cast(HTTPResponse, reply).auto_close = False  # the reader looks at it once more, at its end
    body = BufferedReader(reply, _CHUNK)
    try:
        if body.peek(2)[:2] == _GZIP:
            with _whole(), gzip.GzipFile(fileobj=body) as unzipped:
                shutil.copyfileobj(unzipped, into, _CHUNK)
        else:
            shutil.copyfileobj(body, into, _CHUNK)
    except BaseException:
        reply.close()  # what is not read of it would be taken for the next reply
        raise
    body.detach()
    reply.release_conn()
    into.seek(0)


class ErrorField:
    """A field of a reply that is an error where it holds anything."""

    def __init__(self, name: str) -> None:
        struct: Any = msgspec.defstruct("WithError", [("error", msgspec.Raw, msgspec.Raw())], rename={"error": name})
        self._decoder = msgspec.json.Decoder(struct)

    def read(self, body: bytes) -> bytes:
        """The error's JSON; empty without one. What is no JSON object names none: whoever reads it will say so."""
        try:
            error = bytes(self._decoder.decode(body).error)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return b""
        return b"" if error.translate(None, b" \t\r\n") in _NO_ERROR else error


@contextmanager
def _whole() -> Iterator[None]:
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise VendorUnavailable(f"its gzip is not whole ({error})") from error
