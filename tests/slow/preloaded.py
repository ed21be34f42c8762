"""Runs pytest in forks of a process that has imported what the tests import of others.

A start of its own costs each planted defect some 8 processor-seconds of imports, three times what its tests take. The process imports
nothing of the product, so a fork sees the product as it is at that moment.
"""

import importlib
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

_MODULES_OF_OTHERS = """
import json, sys, pytest
folders = [f"tests/{name}" for name in ("unit", "steps", "contract", "api", "storage")]
pytest.main(["--collect-only", "-qq", "-p", "no:cacheprovider", *folders])
files = {name: getattr(module, "__file__", None) or "" for name, module in sys.modules.items()}
own = sys.argv[1]
print("\\n" + json.dumps([name for name, file in files.items() if file.startswith(sys.prefix) and not file.startswith(own)]))
"""


class Preloaded:
    """One such process for a folder that holds the product."""

    def __init__(self, product: Path) -> None:
        self._output = product.with_name("output")
        command = [sys.executable, __file__, product]
        self._process = subprocess.Popen(command, cwd=product, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def pytest(self, *arguments: str, seconds: int) -> tuple[int, str]:
        """Run pytest with these arguments: its exit status, negative when it was ended after ``seconds``, and what it printed."""
        self._process.stdin.write(json.dumps([str(self._output), seconds, *arguments]) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline()), self._output.read_text()

    def close(self) -> None:
        """End the process."""
        self._process.stdin.close()
        self._process.wait(10)


def _import_what_the_tests_import(product: str) -> None:
    listing = subprocess.run([sys.executable, "-c", _MODULES_OF_OTHERS, product], capture_output=True, text=True, check=True)
    for name in json.loads(listing.stdout.splitlines()[-1]):
        with suppress(Exception):  # what cannot be imported by its name alone is imported by the tests
            importlib.import_module(name)


def _fork(output: str, arguments: list[str]) -> int:
    pid = os.fork()
    if pid:
        return pid
    os.setsid()
    for number, place in ((0, os.open(os.devnull, os.O_RDONLY)), (1, os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)), (2, 1)):
        os.dup2(place, number)
    status = 70  # as an exit by an error
    try:
        status = int(pytest.main(arguments))
        sys.stdout.flush()
    finally:
        os._exit(status)


def _status(pid: int, seconds: float) -> int:
    """The exit status of a fork, whose session is ended when it takes longer."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.killpg(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def main(product: str) -> None:
    """Answer each line of arguments with an exit status."""
    sys.path[0] = product  # as with ``python -m pytest`` in that folder
    _import_what_the_tests_import(product)
    for line in sys.stdin:
        output, seconds, *arguments = json.loads(line)
        print(_status(_fork(output, arguments), seconds), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
