"""Airflow's own database: its Postgres cluster."""

from __future__ import annotations

from local.credentials import Credentials
from local.services.postgres import Cluster
from local.settings import Settings

USER = "airflow"
DATABASE = "airflow"
OPTIONS = {
    "max_connections": "200",
    # A killed server may forget the last moment of Airflow's bookkeeping, which Airflow then does again.
    "synchronous_commit": "off",
}


def cluster(settings: Settings, credentials: Credentials) -> Cluster:
    return Cluster(settings.var / "postgres", settings.ports.postgres, USER, credentials.postgres_password, OPTIONS)
