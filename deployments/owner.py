"""Names of the processes of an installation, detection of dead ones on this machine, and leadership of a job."""

import os
import socket
from pathlib import Path

from storage.control.leader import Leadership


def this_process() -> str:
    """``host-pid-start``, the name of this worker and its sweep. With the start, as restarted containers reuse the same process id."""
    return f"{socket.gethostname()}-{os.getpid()}-{start_ticks(os.getpid()) or 0}"


def start_ticks(pid: int) -> str | None:
    """When a process started, in the kernel's ticks; None when it does not exist (or without /proc), or is a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]


def has_died(owner: str) -> bool:
    """Whether a process of this machine has certainly ended; False for processes of other machines, whose state is unknown."""
    host, pid, start = owner.rsplit("-", 2) if owner.count("-") > 1 else ("", "", "")
    if host != socket.gethostname() or not pid.isdigit() or owner == this_process():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return (start_ticks(int(pid)) or "0") != start


def leads(leadership: Leadership, job: str, owner: str) -> bool:
    """Whether this process leads the job now; it replaces a dead leader of this machine at once."""
    if leadership.take(job, owner):
        return True
    leader = leadership.leader(job)
    if leader is None or not has_died(leader):
        return False
    leadership.resign(job, leader)
    return leadership.take(job, owner)
