"""`python -m local.warehouse --port P --data DIR`: serve the local warehouse on 127.0.0.1.

The environment says where S3 is (AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY) and, if set, the only
user that is let in (CATCHMENT_WAREHOUSE_USER, CATCHMENT_WAREHOUSE_PASSWORD).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import uvicorn

from local.warehouse import patches
from local.warehouse.orphaned_sessions import WatchedProtocol
from local.warehouse.server import Login, make_app
from local.warehouse.storage import open_storage

KEEP_ALIVE = 7 * 24 * 3600  # seconds: a socket that closes then means a client that has gone


def main() -> None:
    parser = argparse.ArgumentParser(prog="local.warehouse", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--data", type=Path, required=True, help="directory of the database files; made if missing")
    parser.add_argument("--log-level", default="warning")
    args = parser.parse_args()
    patches.apply_all()
    warehouse = open_storage(args.data)
    try:
        uvicorn.run(
            make_app(warehouse, Login()),
            host="127.0.0.1",
            port=args.port,
            log_level=args.log_level,
            http=WatchedProtocol,
            timeout_keep_alive=KEEP_ALIVE,
            timeout_graceful_shutdown=5,
        )
    finally:
        warehouse.close()


if __name__ == "__main__":
    main()
