"""Names the processes of an installation, tells which of this machine's are gone, and which of them does a job for all."""

import os
import socket

from storage.leader import Leadership


def this_process() -> str:
    """``host-pid``: the name of this worker, and of its sweep."""
    return f"{socket.gethostname()}-{os.getpid()}"


def died(owner: str) -> bool:
    """Whether a process of this machine is gone for certain; of another machine's nothing is known."""
    host, _, pid = owner.rpartition("-")
    if host != socket.gethostname() or not pid.isdigit() or int(pid) == os.getpid():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return False


def leads(leadership: Leadership, job: str, owner: str) -> bool:
    """Whether this process does the job now; it follows at once on a leader of this machine that died."""
    if leadership.take(job, owner):
        return True
    leader = leadership.leader(job)
    if leader is None or not died(leader):
        return False
    leadership.give_up(job, leader)
    return leadership.take(job, owner)
