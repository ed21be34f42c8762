"""Asks a published copy a query that somebody wrote, in a child process with hard limits: it may be wrong, endless or hostile."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any

from adpulse.errors import Unavailable, Usage

ROWS = 100
"""How many rows of an answer are kept."""

SECONDS = 5
"""How long a query may take."""

_MEMORY = "256MB"
_ADDRESS_SPACE = 1 << 30
_CHILD = Path(__file__).with_name("alert_child.py")
_START_SECONDS = 10
_WAIT_SECONDS = 30
_at_once = BoundedSemaphore(2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The first rows that a query found; ``truncated``: there are more. Numbers that JSON has not exactly are text."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    truncated: bool

    def records(self, most: int = ROWS) -> list[Mapping[str, Any]]:
        """The rows by their columns' names."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows[:most]]


def ask(published: Path, query: str) -> Answer:
    """Answer a query from a published copy.

    Raises:
        Usage: nothing was published yet; or the query is wrong, tries what it may not, or takes too long or too much memory.
        Unavailable: too many queries are being answered.
    """
    if not published.exists():
        raise Usage("Nothing was published yet. Sync a connection of the workspace first.")
    limits = {"rows": ROWS, "seconds": SECONDS, "memory_limit": _MEMORY, "address_space": _ADDRESS_SPACE}
    if not _at_once.acquire(timeout=_WAIT_SECONDS):
        raise Unavailable("Other queries of alerts are still being answered. Try again.")
    try:
        told = _run(json.dumps({"published": str(published.absolute()), "query": query, **limits}))
    finally:
        _at_once.release()
    if "error" in told:
        raise Usage(f"The query failed. {told['error'].replace(str(published.absolute()), published.name)}.")
    return Answer(**told)


def _run(asked: str) -> dict[str, Any]:
    too_much = Usage(f"The query took more than {SECONDS} s or {_MEMORY} of memory.")
    command = [sys.executable, "-I", str(_CHILD)]
    try:
        child = subprocess.run(
            command, input=asked, capture_output=True, text=True, timeout=SECONDS + _START_SECONDS, check=False, env={}, cwd="/"
        )
    except subprocess.TimeoutExpired:
        raise too_much from None
    if child.returncode != 0:
        raise too_much
    answer: dict[str, Any] = json.loads(child.stdout)
    return answer
