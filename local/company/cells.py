"""A cell that holds more than the text that it shows. Every other cell is a `str`, and a text."""

from __future__ import annotations

from datetime import date
from typing import Self

EPOCH = date(1899, 12, 30)


class Held(str):
    """What a cell shows, with what it holds.

    `value` is a number, a checkbox's state, or the name of an error (Google's `ErrorType`); `form` the type
    of its number format (`NumberFormatType`), "" when it has none.
    """

    value: float | bool | str
    form: str

    def __new__(cls, shown: str, value: float | bool | str, form: str = "") -> Self:
        cell = super().__new__(cls, shown)
        cell.value = value
        cell.form = form
        return cell

    @classmethod
    def day(cls, day: date, shown: str | None = None) -> Self:
        """A day, shown as ISO text unless said otherwise: Google counts days from 30 December 1899."""
        return cls(shown or day.isoformat(), (day - EPOCH).days, "DATE")
