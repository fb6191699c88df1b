"""dbt's files for the replicated tables, written from the files of `include/connectors`.

For each table a source per shard, the model of its current state, one of its history where that is asked for, and what
is said of both; and the declaration as a macro, for the macros of `include/dbt/macros/cdc`. Pure: text by path.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from catchment.cdc.declared import Application, Database, Shard, Table

FOLDER = Path("models/staging/application")
"""Where the models lie, below the dbt project's folder."""

DECLARED = Path("macros/cdc/declared.sql")
ORIGIN = "include/connectors by `python -m catchment dbt-sources`; do not edit."
RAW_DATABASE = "{{ env_var('CATCHMENT_RAW_DATABASE', 'RAW') }}"
RAW_COLUMNS = (
    ("record_content", "Debezium's record as it came; NULL for a tombstone."),
    ("record_metadata", "Topic, partition, offset, key and time of the Kafka record."),
    ("kafka_partition", "The partition; NULL where Snowflake's sink wrote the row (see record_metadata)."),
    ("kafka_offset", "The offset in the partition; NULL where Snowflake's sink wrote the row."),
    ("loaded_at", "When the loader wrote the row (UTC); NULL where Snowflake's sink did."),
)
EXACT = re.compile(r"smallint|integer|bigint|boolean|text|varchar(\(\d+\))?|char\(\d+\)|uuid|enum|inet|interval|bytea")
"""Types of which every value is itself in the warehouse."""
OWN_COLUMNS = (
    ("_other", "Columns that are not declared, as an object, as Debezium sent them."),
    ("_special", "What the column's type can't hold, by column: NaN, infinity, -infinity, years beyond 9999."),
    (
        "_unresolved",
        "Columns (with commas; * for all) whose value is not known: not sent, or sent in a rejected record.",
    ),
    ("_rejected_offset", "Kafka offset of the rejected record that had the values; -1 if none is in raw; else NULL."),
    ("_shard", "The shard that the row is on."),
)
KEY_COLUMN = ("_key", "The primary key as it came, as text: the key's own columns can't hold all of its values.")
STATE_COLUMNS = (("_is_deleted", "Whether the row is gone; it keeps the values that it had last."),)
VERSION_COLUMNS = (
    ("valid_from", "Since when the row was so (UTC, inclusive); for rows of the first snapshot, when it was taken."),
    ("valid_to", "Until when (exclusive): the next version, a delete or a truncation; NULL while it is so."),
    ("is_current", "Whether the version is the row as it is now."),
    ("_closed_by", "Operation that ended the version: c, u or r (another version), d (delete), t (truncation)."),
    ("_closed_order", "Order of that change."),
    ("_transaction_id", "Transaction of the change, on its shard; NULL for rows of an incremental snapshot."),
)
CHANGE_COLUMNS = (
    ("_op", "Operation of the newest change: c insert, u update, d delete, r snapshot, t truncation."),
    ("_epoch", "Era of the shard's log positions; a new slot or a failover begins another."),
    ("_commit_lsn", "Log position of the commit before the change's transaction."),
    ("_lsn", "Log position of the change; 0 for rows of an incremental snapshot."),
    ("_order", "Epoch, commit and change as one text that sorts as they do."),
    ("_partition", "Kafka partition of the change."),
    ("_offset", "Kafka offset of the change."),
    ("_changed_at", "When the change was committed (UTC)."),
)


def render(application: Application) -> Mapping[Path, str]:
    """The files by their path below the dbt project's folder."""
    files = {DECLARED: _macro(application)}
    for database in application.databases:
        files |= _files(database, application.shards_of(database))
    return files


def _files(database: Database, shards: Sequence[Shard]) -> dict[Path, str]:
    described = [model for table in database.tables for model in _described(database, table)]
    files = {
        f"_{database.source}__sources.yml": _yaml({"sources": [_source(database, shards)]}),
        f"_{database.source}__models.yml": _yaml({"models": described}),
    }
    for table in database.tables:
        name = f"{database.source}.{table.name}"
        files[f"{database.staging(table)}.sql"] = _model(name, "current_state", "cdc_current")
        if table.history:
            files[f"{database.versions(table)}.sql"] = _model(name, "history", "cdc_history")
    return {FOLDER / name: text for name, text in files.items()}


def merge_key(table: Table) -> list[str]:
    """The columns by which rows are told apart, as SQL: the key's, and its own text where a type holds less here."""
    own = [f'"{column.upper()}"' for column in table.key if EXACT.fullmatch(table.columns[column])]
    return ["_shard", *own, *(["_key"] if len(own) < len(table.key) else [])]


def _macro(application: Application) -> str:
    declared = {
        f"{database.source}.{table.name}": {
            "source": database.source,
            "schema": database.schema,
            "name": table.name,
            "shards": [shard.name for shard in application.shards_of(database)],
            "key": list(table.key),
            "merge_key": merge_key(table),
            "columns": dict(table.columns),
        }
        for database in application.databases
        for table in database.tables
    }
    literal = json.dumps(declared, indent=4)
    head = f"{{#- Written from {ORIGIN} -#}}\n"
    return f"{head}{{% macro declared_tables() -%}}\n{{{{ return({literal}) }}}}\n{{%- endmacro %}}\n"


def _model(table: str, macro: str, strategy: str) -> str:
    return (
        f"{{#- Written from {ORIGIN} -#}}\n"
        "{{ config(\n"
        "    materialized='incremental',\n"
        f"    incremental_strategy='{strategy}',\n"
        "    tmp_relation_type='table',\n"
        "    on_schema_change='append_new_columns',\n"
        f"    meta={{'table': '{table}'}},\n"
        f"    post_hook=\"{{{{ cdc_advance('{table}') }}}}\",\n"
        ") }}\n"
        f"{{{{ {macro}('{table}') }}}}\n"
    )


def _source(database: Database, shards: Sequence[Shard]) -> dict[str, Any]:
    return {
        "name": database.source,
        "description": "Changes of the database's tables, one raw table per shard and table, as Debezium sent them.",
        "database": RAW_DATABASE,
        "schema": database.source.upper(),
        "tables": [_raw(shard, table) for shard in shards for table in database.tables],
    }


def _raw(shard: Shard, table: Table) -> dict[str, Any]:
    meta: dict[str, Any] = {"topic": shard.topic(table), "key": list(table.key)}
    if table.personal:
        meta["personal"] = list(table.personal)
    return {
        "name": f"{shard.name}_{table.name}",
        "identifier": shard.raw_table(table).rpartition(".")[2],
        "description": f"Changes of {table.name} on shard {shard.name}.",
        "config": {"meta": meta, "freshness": None},
        "columns": _columns(RAW_COLUMNS),
    }


def _described(database: Database, table: Table) -> list[dict[str, Any]]:
    models = [
        {
            "name": database.staging(table),
            "description": f"The {table.name} as they are now, one row per shard and key; deleted ones too.",
            "data_tests": [
                {"is_key": {"arguments": {"columns": merge_key(table)}}},
                {"no_value_is_lacking": {"arguments": {"living": "not _is_deleted"}}},
            ],
            "columns": _of_table(table) + _columns((*_own(table), *STATE_COLUMNS, *CHANGE_COLUMNS)),
        }
    ]
    if table.history:
        models.append(
            {
                "name": database.versions(table),
                "description": f"Every version of the {table.name}: one row per shard, key and transaction.",
                "data_tests": [
                    {"is_key": {"arguments": {"columns": [*merge_key(table), "_order"]}}},
                    {"versions_do_not_overlap": {"arguments": {"key": merge_key(table)}}},
                    {"no_value_is_lacking": {"arguments": {"living": "is_current"}}},
                ],
                "columns": _of_table(table) + _columns((*_own(table), *VERSION_COLUMNS, *CHANGE_COLUMNS)),
            }
        )
    return models


def _own(table: Table) -> tuple[tuple[str, str], ...]:
    return ((KEY_COLUMN,) if "_key" in merge_key(table) else ()) + OWN_COLUMNS


def _of_table(table: Table) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for name, kind in table.columns.items():
        meta: dict[str, Any] = {"postgres_type": kind}
        if name in table.personal:
            meta["personal"] = True
        words = f"{kind}{', part of the primary key' if name in table.key else ''}."
        found.append({"name": name, "description": words, "config": {"meta": meta}})
    return found


def _columns(columns: tuple[tuple[str, str], ...]) -> list[dict[str, Any]]:
    return [{"name": name, "description": text} for name, text in columns]


def _yaml(content: Mapping[str, Any]) -> str:
    body: str = yaml.safe_dump({"version": 2, **content}, sort_keys=False, allow_unicode=True, width=110)
    return f"# Written from {ORIGIN}\n{body}"
