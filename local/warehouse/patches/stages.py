"""LIST shows the files of an external stage, below a path and by pattern.

Upstream (fakesnow 0.12.1, `transforms.stage.list_stage`) lists internal stages only and ignores the path.
"""

from __future__ import annotations

from fakesnow import copy_into as upstream
from sqlglot import exp

from local.warehouse import copying, errors, hooks, places

COLUMNS = ("name", "size", "md5", "last_modified")


def _list(call: hooks.Call) -> hooks.Answer | None:
    statement = call.expression
    if not isinstance(statement, exp.ListStage):
        return None
    argument = statement.this.name.strip("'")
    if not argument.startswith("@") or "%" in argument:
        raise errors.unsupported(f"LIST {argument}: only named stages can be listed")
    connection = call.session.connection

    def url_of(name: str) -> str:
        return upstream.stage_url_from_var(
            name,
            call.cursor._duck_conn,
            connection.database,
            connection.schema,
            connection.table_stages,
            exp.to_table("x"),
        )

    root, location = url_of(argument[1:].split("/", 1)[0]), url_of(argument[1:])
    pattern = statement.args.get("pattern")
    files = {url: rest for url, *rest in places.list_files(location)}
    chosen = copying.matching(files, pattern.name if pattern else None, root)
    external = "://" in root
    return hooks.Answer(COLUMNS, [(url if external else places.key_of(url), *files[url]) for url in chosen])


def apply() -> None:
    hooks.handle(r"(?:list|ls)\b", _list)
