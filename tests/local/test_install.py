"""Which Python the two commands run on: said once, checked first, in a sentence.

apache/airflow #49991: with a Python that the versions in use are not made for, the installer speaks of packages that
can't be had together, and people change those. Right: the Python is refused first, with the ones that will do.
"""

from __future__ import annotations

import sys

import pytest

from local.errors import LocalError
from local.install import OLDEST, require_python
from local.settings import ROOT


@pytest.mark.parametrize("version", [(3, 11, 2), (3, 11, 7), (3, 11, 20)])
def test_every_python_from_debians_to_the_last_of_3_11_will_do(version: tuple[int, ...]) -> None:
    require_python(version)


@pytest.mark.parametrize("version", [(3, 9, 18), (3, 10, 13), (3, 11, 1), (3, 12, 0), (3, 13, 0)])
def test_another_python_is_refused_with_what_to_do(version: tuple[int, ...]) -> None:
    with pytest.raises(LocalError) as error:
        require_python(version)
    said = str(error.value)
    assert "at least 3.11.2" in said
    assert ".".join(map(str, version)) in said
    assert sys.executable in said
    assert "make demo PYTHON=" in said


def test_the_readme_names_the_oldest_python_that_is_checked() -> None:
    assert f"Python {'.'.join(map(str, OLDEST))}" in (ROOT / "README.md").read_text()
