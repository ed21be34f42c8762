"""Processes that a measurement starts, and their memory and CPU time from the kernel."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

_READY_SECONDS = 240
_STOP_SECONDS = 90
_POLL_SECONDS = 0.2
_TICKS = os.sysconf("SC_CLK_TCK")


@contextmanager
def adpulse(*arguments: str, log: Path, ready: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Run an ``adpulse`` command that writes to ``log``, from when a line there contains ``ready`` until the end of the block.

    Raises:
        RuntimeError: it ended, or did not get ready in time.
    """
    with log.open("wb") as output:
        child = subprocess.Popen(
            [sys.executable, "-m", "adpulse", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + _READY_SECONDS
        while ready not in log.read_text(errors="replace"):
            if child.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"adpulse {arguments[0]} did not get ready:\n{log.read_text(errors='replace')[-3000:]}")
            time.sleep(_POLL_SECONDS)
        yield child
    finally:
        stop(child)


def stop(child: "subprocess.Popen[bytes]") -> None:
    """Ctrl-C; SIGKILL when it stays."""
    child.send_signal(signal.SIGINT)
    try:
        child.wait(timeout=_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def resident_mb(pid: int, field: str = "VmRSS") -> float:
    """What a process holds in memory, in MB (``VmHWM``: the most it ever held); 0 when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((round(int(line.split()[1]) / 1024, 1) for line in lines if line.startswith(f"{field}:")), 0.0)


def forget_peak(pid: int) -> None:
    """Let ``VmHWM`` begin anew."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def cpu_seconds(pid: int) -> float:
    """CPU time a process has used; 0 when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS


def machine_seconds() -> float:
    """CPU time all processes of the machine have used."""
    user, nice, system, _, _, *interrupts = (int(ticks) for ticks in Path("/proc/stat").read_text().splitlines()[0].split()[1:8])
    return (user + nice + system + sum(interrupts)) / _TICKS


def descendants(pid: int) -> Sequence[int]:
    """Ids of a process's children, their children and so on."""
    children = [int(child) for task in Path(f"/proc/{pid}/task").glob("*/children") for child in _text(task).split()]
    return [*children, *(descendant for child in children for descendant in descendants(child))]


def _text(path: Path) -> str:
    """Empty when the thread has ended meanwhile."""
    try:
        return path.read_text()
    except OSError:
        return ""
