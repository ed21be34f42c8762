"""Attaches a published copy so that the file which is open is the one whose state is known."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import duckdb

from adpulse.errors import Unavailable
from storage.warehouse.sql import literal

_TRIES = 20

S = TypeVar("S")


def attach_statements(copy: Path, alias: str) -> tuple[str, str]:
    """The statements that open the file which is there now: DuckDB keeps an attached file open although another one takes its place."""
    return f"DETACH DATABASE IF EXISTS {alias}", f"ATTACH {literal(copy)} AS {alias} (READ_ONLY)"


def attach(connection: duckdb.DuckDBPyConnection, copy: Path, alias: str, state_of: Callable[[Path], S]) -> S:
    """Attach the copy anew; returns its state, which was the same before and after.

    Raises:
        Unavailable: it was replaced again and again meanwhile.
        duckdb.Error: it cannot be opened.
    """
    for _ in range(_TRIES):
        state = state_of(copy)
        for statement in attach_statements(copy, alias):
            connection.execute(statement)
        if state_of(copy) == state:
            return state
    raise Unavailable(f"{copy.name} was replaced {_TRIES} times while it was being opened. Try again.")
