"""Commands of adpulse as child processes of another one."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from adpulse.errors import Unavailable

READY_SECONDS = 180
STOP_SECONDS = 60


@contextmanager
def process(*arguments: str, ready: str) -> Iterator[list[str]]:
    """Run an ``adpulse`` command until it prints a line that contains ``ready``; ends it on the way out.

    Yields the lines printed so far. On Linux it also ends when this process is killed.

    Raises:
        Unavailable: it ended, or was not ready in time.
    """
    from deployments.child import die_with_parent

    command = [sys.executable, "-P", "-m", "adpulse", *arguments]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=die_with_parent,  # noqa: PLW1509 - one prctl call, nothing that could deadlock
    ) as child:
        try:
            lines = _lines_until(child, ready, arguments[0])
            # Later output is in its log files, too. Reading it here keeps the pipe from filling up.
            threading.Thread(target=child.stdout.read if child.stdout else str, daemon=True).start()
            yield lines
        finally:
            child.send_signal(signal.SIGINT)
            try:
                child.wait(timeout=STOP_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()


def _lines_until(child: "subprocess.Popen[str]", ready: str, command: str) -> list[str]:
    lines: list[str] = []
    deadline = time.monotonic() + READY_SECONDS
    for line in child.stdout or ():
        lines.append(line.rstrip())
        if ready in line:
            return lines
        if time.monotonic() > deadline:
            break
    raise Unavailable(f"adpulse {command} did not get ready:\n" + "\n".join(lines[-20:]))
