"""What `make query` shows is what the warehouse said."""

from __future__ import annotations

import io

from rich.console import Console

from local.query import as_table, main


def test_nulls_are_empty_and_square_brackets_stay() -> None:
    out = io.StringIO()
    Console(file=out, width=80).print(as_table(["SUBJECT", "SEGMENT"], [("[red]late[/red]", None), ("plain", 3)]))
    assert [line.split() for line in out.getvalue().splitlines()] == [
        ["SUBJECT", "SEGMENT"],
        ["[red]late[/red]"],
        ["plain", "3"],
    ]


def test_without_a_query_it_says_how() -> None:
    assert main([""]) == 2
