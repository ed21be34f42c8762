"""Asks a published copy a query that somebody wrote, in a child process with hard limits: it may be wrong, endless or hostile."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Timer
from typing import Any

from adpulse.errors import Unavailable, Usage

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
        Unavailable: the machine is too busy to begin.
    """
    if not published.exists():
        raise Usage("Nothing was published yet. Sync a connection of the workspace first.")
    return _answer(query, published)


def check(query: str) -> None:
    """Make sure that a query is one SELECT and calls no function that an alert may not call; tables and columns are not looked at.

    Raises:
        Usage: it is not, or does.
        Unavailable: the machine is too busy to begin.
    """
    _answer(query, None)


def _answer(query: str, published: Path | None) -> Answer:
    limits = {"rows": ROWS, "seconds": SECONDS, "memory_limit": _MEMORY, "address_space": _ADDRESS_SPACE}
    path = str(published.absolute()) if published else None
    told = _run(json.dumps({"published": path, "query": query, **limits}))
    if "error" in told:
        error = told["error"].replace(path, Path(path).name) if path else told["error"]
        raise Usage(f"The query failed. {error}.")
    return Answer(**told)


def _run(asked: str) -> dict[str, Any]:
    """What the child says. It has ended when this returns, whatever happened.

    The clock starts when the child begins with the query, and is kept here: a query that sleeps uses none of the CPU time that the
    kernel limits.
    """
    with _started() as child:
        try:
            with _killed_after(_START_SECONDS, child) as late:
                begun = _begin(child, asked)
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
    told: dict[str, Any] = json.loads(answer)
    return told


def _started() -> "subprocess.Popen[str]":
    """The child, in a session of its own: its whole process group can be killed, and Ctrl-C at the parent does not reach it."""
    command = [sys.executable, "-I", str(_CHILD)]
    pipe, nothing = subprocess.PIPE, subprocess.DEVNULL
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=nothing, text=True, env={}, cwd="/", start_new_session=True)


def _begin(child: "subprocess.Popen[str]", asked: str) -> bool:
    """Hand over what is asked; whether the child begins with it."""
    if child.stdin is None or child.stdout is None:
        return False
    with suppress(BrokenPipeError), child.stdin:
        child.stdin.write(asked)
    return bool(child.stdout.readline())


@contextmanager
def _killed_after(seconds: float, child: "subprocess.Popen[str]") -> Iterator[Event]:
    """Kill the child when the block takes longer; the event is set then. The child is not waited for, so its id stays its own."""
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
