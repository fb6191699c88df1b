"""Catchment: how data moves. `dags/` says when and for whom; this package says how.

`spec`, `sources`, `extract`, `landing` and `warehouse` import no Airflow (import-linter enforces it).
"""

__version__ = "0.1.0"
