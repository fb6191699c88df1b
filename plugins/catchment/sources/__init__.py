"""What each vendor's API is like, one module a vendor, and the list of them all."""

from __future__ import annotations

from catchment.sources.chartmogul import CHARTMOGUL
from catchment.sources.google_sheets import GOOGLE_SHEETS
from catchment.sources.zendesk import ZENDESK
from catchment.spec import SourceSpec

SOURCES: dict[str, SourceSpec] = {spec.name: spec for spec in (CHARTMOGUL, ZENDESK, GOOGLE_SHEETS)}


def source(name: str) -> SourceSpec:
    """The source of that name; raises KeyError with the names there are."""
    try:
        return SOURCES[name]
    except KeyError:
        raise KeyError(f"There is no source {name!r}; there are: {', '.join(SOURCES)}") from None
