"""`python -m local.services.launch NAME`: become that service, with its command and environment.

supervisord runs this, so that a restart sees the settings and secrets as they are, and no file holds the environment.
"""

from __future__ import annotations

import os
import sys

from local.credentials import ensure_credentials, read_google_key
from local.services.catalogue import catalogue
from local.settings import Settings


def main(name: str) -> None:
    settings = Settings.from_environment()
    credentials = ensure_credentials(settings)
    services = catalogue(settings, credentials, read_google_key(settings))
    service = next(service for service in services if service.name == name)
    os.execvpe(service.command[0], service.command, {**os.environ, **service.environment})


if __name__ == "__main__":
    main(sys.argv[1])
