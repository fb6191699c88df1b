"""What `make query` shows is what the warehouse said.

MarkyMan4/filequery #51, Textualize/rich #2358: square brackets in a value are taken for markup by Rich's tables: the
text in them vanishes, or the command ends with a MarkupError. Right: a value is shown as it is.
"""

from __future__ import annotations

import io

from rich.console import Console

from local.query import as_table, main


def test_nulls_are_empty_and_square_brackets_stay() -> None:
    out = io.StringIO()
    rows = [("[red]late[/red]", None), ("plain", 3), ("[/HWUVIDEO]", "[old] x")]
    Console(file=out, width=80).print(as_table(["SUBJECT", "SEGMENT"], rows))
    assert [line.split() for line in out.getvalue().splitlines()] == [
        ["SUBJECT", "SEGMENT"],
        ["[red]late[/red]"],
        ["plain", "3"],
        ["[/HWUVIDEO]", "[old]", "x"],
    ]


def test_without_a_query_it_says_how() -> None:
    assert main([""]) == 2
