"""Where staged files are: S3 behind an external stage, or the data directory behind an internal one."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import BinaryIO, cast

import pyarrow as pa
import s3fs
import snowflake.connector.errors as sf
from fakesnow.transforms import stage

from local.warehouse import errors
from local.warehouse.storage import s3

READ_AHEAD = 16 * 1024 * 1024
CODECS = {"GZIP": "gzip", "ZSTD": "zstd", "BROTLI": "brotli", "BZ2": "bz2", "NONE": None}
ENDINGS = {".gz": "GZIP", ".zst": "ZSTD", ".br": "BROTLI", ".bz2": "BZ2"}


@functools.cache
def _s3() -> s3fs.S3FileSystem:
    return s3()


def key_of(url: str) -> str:
    """The path of a file as METADATA$FILENAME gives it: the key in its bucket, or the path in its internal stage."""
    if stage.is_internal(url):
        return stage.internal_file_name(url)
    return url.split("://", 1)[1].split("/", 1)[-1]


def list_files(location: str) -> list[str]:
    """The URLs of the files whose path starts with `location`, in order."""
    if stage.is_internal(location):
        root = Path(location if location.endswith("/") else str(Path(location).parent))
        return [str(p) for p in sorted(root.rglob("*")) if p.is_file() and str(p).startswith(location)]
    _require_s3(location)
    folder, _, prefix = location.removeprefix("s3://").rpartition("/")
    try:
        found = _s3().find(folder, prefix=prefix)
    except FileNotFoundError:
        bucket = folder.split("/")[0]
        raise sf.ProgrammingError(
            msg=f"Failure using stage area at {location}: the bucket {bucket!r} does not exist. Make it first.",
            errno=91003,
            sqlstate="22000",
        ) from None
    return [f"s3://{path}" for path in sorted(found)]


def open_file(url: str, compression: str) -> BinaryIO:
    """The file's bytes, decompressed: `compression` as a file format says it, AUTO by the name's ending."""
    try:
        raw = _open_s3(url) if not stage.is_internal(url) else Path(url).open("rb")  # noqa: SIM115 (closed by the caller)
    except FileNotFoundError:
        raise sf.ProgrammingError(
            msg=f"Remote file '{url}' was not found. If it is named in FILES, check the stage's path and the name.",
            errno=91016,
            sqlstate="22000",
        ) from None
    if compression in ("AUTO", "AUTO_DETECT"):
        compression = next((kind for ending, kind in ENDINGS.items() if url.endswith(ending)), "NONE")
    if compression not in CODECS:
        raise errors.unsupported(f"COMPRESSION = {compression}")
    codec = CODECS[compression]
    return cast(BinaryIO, pa.CompressedInputStream(pa.PythonFile(raw), codec) if codec else raw)


def _open_s3(url: str) -> BinaryIO:
    _require_s3(url)
    return cast(BinaryIO, _s3().open(url, "rb", block_size=READ_AHEAD, cache_type="readahead"))


def _require_s3(url: str) -> None:
    if not url.startswith("s3://"):
        raise errors.unsupported(f"files at {url}: stages are on s3:// or internal")
