"""Bodies of replies: without a gzip that no header told of, and without a byte order mark."""

from __future__ import annotations

import gzip
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from typing import BinaryIO, cast

from urllib3 import BaseHTTPResponse, HTTPResponse

from catchment.errors import VendorUnavailable

_GZIP = b"\x1f\x8b"
_BOM = b"\xef\xbb\xbf"
_CHUNK = 256 * 1024


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
    finally:
        body.detach()
        reply.release_conn()
    into.seek(0)


@contextmanager
def _whole() -> Iterator[None]:
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise VendorUnavailable(f"its gzip is not whole ({error})") from error
