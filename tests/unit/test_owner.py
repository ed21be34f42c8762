"""A process's name tells it from every other, also from one that had its id before it."""

import os
import socket
import subprocess
import sys

from deployments.owner import has_died, this_process


def test_a_process_that_lives_has_not_died_and_one_that_ended_has():
    command = [sys.executable, "-c", "from deployments.owner import this_process; print(this_process(), flush=True); input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        other = child.stdout.readline().strip()
        assert not has_died(other)
        child.communicate("\n")

    assert has_died(other)
    assert not has_died(this_process())


def test_a_predecessor_that_had_the_same_id_has_died():
    """In a container every worker is process 1."""
    host, pid, start = this_process().rsplit("-", 2)

    assert has_died(f"{host}-{pid}-{int(start) - 1}")


def test_of_other_machines_and_of_names_that_are_none_nothing_is_known():
    for name in (f"elsewhere-{2**22}-1", f"{socket.gethostname()}-{os.getpid()}", "local", "", "a-b-c"):
        assert not has_died(name)
