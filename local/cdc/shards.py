"""The application's shards: one Postgres cluster each, with logical replication."""

from __future__ import annotations

from local.credentials import Credentials
from local.services.postgres import Cluster
from local.settings import Settings

OWNER = "application"  # owns the tables; a superuser here, as the fault drills need one
DATABASE = "app"
OPTIONS = {
    "wal_level": "logical",
    "max_wal_senders": "10",
    "max_replication_slots": "10",
    # What a slot may hold back before it is given up: a disk that fills would stop the application.
    "max_slot_wal_keep_size": "4GB",
    "max_wal_size": "4GB",
    "wal_sender_timeout": "60s",
    "logical_decoding_work_mem": "64MB",
    "track_commit_timestamp": "on",
}


def cluster(settings: Settings, credentials: Credentials, shard: str) -> Cluster:
    """The cluster of one shard, as its owner."""
    return Cluster(
        data=settings.var / "shards" / shard,
        port=settings.ports.shards[shard],
        user=OWNER,
        password=credentials.application_password,
        options=OPTIONS,
    )
