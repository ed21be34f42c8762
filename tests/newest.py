"""Prints what the project and its tests need, without upper bounds, for ``make test-newest``: one requirement a line.

What a dependency itself rules out stays ruled out: Prefect has its own bound for FastAPI, for example.
"""

import re
import tomllib
from pathlib import Path


def newest(requirement):
    """The requirement with its lower bound only: ``duckdb>=1.5,<1.6`` becomes ``duckdb>=1.5``."""
    return re.sub(r",?<[^,;]+", "", requirement)


if __name__ == "__main__":
    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())
    print(*map(newest, [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]), sep="\n")
