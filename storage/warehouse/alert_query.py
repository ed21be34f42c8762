"""Runs the query of an alert on a published copy, in a child process with hard limits: the query may be wrong, endless or hostile."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Timer
from typing import Any

import duckdb

from adpulse.errors import Unavailable, Usage
from storage.warehouse import schema

ROWS = 100
"""How many rows of an answer are kept."""

SECONDS = 5
"""How long a query may take, by the clock."""

_MEMORY = "256MB"
_ADDRESS_SPACE = 1 << 30
_CHILD = Path(__file__).with_name("alert_child.py")
_START_SECONDS = 30
"""How long the child may take until it begins with the query: its imports are slow on a busy machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The first rows of a query's result; ``truncated``: there are more. Numbers that JSON cannot represent exactly are text."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    truncated: bool

    def records(self, limit: int = ROWS) -> list[Mapping[str, Any]]:
        """The rows by their columns' names."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows[:limit]]


def run_query(published: Path, query: str) -> Answer:
    """Answer a query from a published copy.

    Raises:
        Usage: nothing was published yet; or the query is wrong, not allowed, or needs too much time or memory.
        Unavailable: the machine is too busy to begin.
    """
    if not published.exists():
        raise Usage("Nothing was published yet. Sync a connection of the workspace first.")
    return _answer(query, published)


def check(query: str, published: Path) -> None:
    """Check that a query is one SELECT, calls only functions that an alert may call, and names tables and columns that exist.

    It is planned on the published copy, and not run. Before the first publication it is planned on a warehouse without rows.

    Raises:
        Usage: it is not one SELECT, calls a function that is not allowed, or names something that does not exist.
        Unavailable: the machine is too busy to begin.
    """
    if published.exists():
        _answer(query, published, only_plan=True)
        return
    with TemporaryDirectory() as folder:
        empty = Path(folder) / "published.duckdb"
        with duckdb.connect(empty) as warehouse:
            schema.migrate(warehouse)
        _answer(query, empty, only_plan=True)


def _answer(query: str, published: Path, *, only_plan: bool = False) -> Answer:
    limits = {"rows": ROWS, "seconds": SECONDS, "memory_limit": _MEMORY, "address_space": _ADDRESS_SPACE}
    path = str(published.absolute())
    answer = _run(json.dumps({"published": path, "query": query, "only_plan": only_plan, **limits}))
    if "error" in answer:
        error = answer["error"].replace(path, Path(path).name)
        raise Usage(f"The query failed. {error}.")
    return Answer(**answer)


def _run(request: str) -> dict[str, Any]:
    """The child's answer. The child has ended when this returns, also after an error.

    The time limit starts when the child begins with the query. This process enforces it, because a query that sleeps uses none of
    the CPU time that the kernel limits.
    """
    with _started() as child:
        try:
            with _killed_after(_START_SECONDS, child) as late:
                begun = _begin(child, request)
            if late.is_set():
                raise Unavailable("The machine is too busy to answer queries of alerts. Try again.")
            with _killed_after(SECONDS, child) as late:
                answer = child.stdout.read() if begun and child.stdout else ""
                os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        finally:
            _kill(child)
    if late.is_set() or child.returncode == -signal.SIGXCPU:
        raise Usage(f"The query took more than {SECONDS} s and was stopped. Make it simpler, or let it look at fewer rows.")
    if child.returncode or not answer:
        raise Usage(f"The query was stopped: it took more than {_MEMORY} of memory, or DuckDB failed on it.")
    answer_fields: dict[str, Any] = json.loads(answer)
    return answer_fields


def _started() -> "subprocess.Popen[str]":
    """The child, in a session of its own: its whole process group can be killed, and Ctrl-C at the parent does not reach it."""
    command = [sys.executable, "-I", str(_CHILD)]
    pipe, nothing = subprocess.PIPE, subprocess.DEVNULL
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=nothing, text=True, env={}, cwd="/", start_new_session=True)


def _begin(child: "subprocess.Popen[str]", request: str) -> bool:
    """Send the request; whether the child began with it."""
    if child.stdin is None or child.stdout is None:
        return False
    with suppress(BrokenPipeError), child.stdin:
        child.stdin.write(request)
    return bool(child.stdout.readline())


@contextmanager
def _killed_after(seconds: float, child: "subprocess.Popen[str]") -> Iterator[Event]:
    """Kill the child when the block takes longer, and set the event. The child is not reaped, so no other process gets its id."""
    late = Event()

    def end() -> None:
        late.set()
        _kill(child)

    timer = Timer(seconds, end)
    timer.start()
    try:
        yield late
    finally:
        timer.cancel()
        timer.join()


def _kill(child: "subprocess.Popen[str]") -> None:
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
