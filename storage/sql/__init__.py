"""The warehouse's SQL: numbered migrations, applied once and in order, and named queries (steps: diff, upsert)."""

from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).parent


@cache
def query(name: str) -> str:
    """The text of ``<name>.sql``."""
    return (_FOLDER / f"{name}.sql").read_text("utf-8")


@cache
def migrations() -> tuple[tuple[int, str], ...]:
    """Every migration as (version, text), oldest first."""
    return tuple((int(file.name[:4]), file.read_text("utf-8")) for file in sorted(_FOLDER.glob("[0-9][0-9][0-9][0-9]_*.sql")))
