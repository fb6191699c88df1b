"""Serve the vendors (`python -m local.sandbox --port P`), or make a service account's key.

The key: `python -m local.sandbox key --out FILE --token-uri URL`.
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import sys
from pathlib import Path

import uvicorn

from local.sandbox.app import Sandbox
from local.sandbox.keys import account, make_key
from local.sandbox.settings import Credentials
from local.sandbox.world import Clock, World

DEFAULTS = Credentials()
GOOGLE_KEY = "var/secrets/google_service_account.json"


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["key"]:
        return _key(arguments[1:])
    return _serve(arguments)


def _key(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser("local.sandbox key", description="Write a service account's key for the sandbox.")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--token-uri", required=True)
    options = parser.parse_args(arguments)
    make_key(options.out, options.token_uri)
    return 0


def _serve(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser("local.sandbox", description="Serve ChartMogul, Zendesk and Google Sheets.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scale", type=float, default=1.0, help="1 is about 300 customers and 800 tickets")
    google_key = Path(os.environ.get("CATCHMENT_SANDBOX_GOOGLE_KEY", GOOGLE_KEY))
    parser.add_argument("--google-key", type=Path, default=google_key, help="made when it is not there")
    options = parser.parse_args(arguments)
    if not options.google_key.exists():
        make_key(options.google_key, f"http://{options.host}:{options.port}/google/token")
    email, public = account(options.google_key)
    credentials = Credentials(
        os.environ.get("CATCHMENT_SANDBOX_CHARTMOGUL_KEY", DEFAULTS.chartmogul_key),
        os.environ.get("CATCHMENT_SANDBOX_ZENDESK_EMAIL", DEFAULTS.zendesk_email),
        os.environ.get("CATCHMENT_SANDBOX_ZENDESK_TOKEN", DEFAULTS.zendesk_token),
        email,
        public,
    )
    logging.getLogger("uvicorn.error").addFilter(lambda record: "without completing" not in record.getMessage())
    sandbox = Sandbox(World(options.seed, options.scale, Clock()), credentials)
    gc.freeze()  # the company stays: no collection need look at it again
    uvicorn.run(
        sandbox,
        host=options.host,
        port=options.port,
        lifespan="off",
        access_log=False,
        log_level="warning",
        server_header=False,
        date_header=False,
        timeout_keep_alive=75,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
