"""`python -m local.s3 --port P --data DIR`: serve S3 on 127.0.0.1 from the objects in DIR."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from pathlib import Path

# Moto's spool: large enough that no object makes a temporary file of its own, as each is on disk when it is answered.
os.environ.setdefault("MOTO_S3_DEFAULT_KEY_BUFFER_SIZE", str(1 << 30))

from moto.moto_server.werkzeug_app import MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from local.s3 import persistence
from local.s3.store import ObjectStore


class Handler(MotoRequestHandler):
    """Keeps connections open, and sends the head of an answer at once instead of after 40 ms (Nagle)."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m local.s3", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--data", type=Path, required=True)
    arguments = parser.parse_args()

    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # one line per request would hide the errors
    store = ObjectStore(arguments.data)
    persistence.install(store)
    moto = create_backend_app("s3")
    server = make_server(
        "127.0.0.1",
        arguments.port,
        persistence.Persistence(moto, store),
        threaded=True,
        request_handler=Handler,
    )
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print(f"S3 on http://127.0.0.1:{arguments.port}, buckets: {', '.join(store.buckets()) or 'none'}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
