"""Names the processes of an installation, tells which of this machine's are gone, and which of them does a job for all."""

import os
import socket
from pathlib import Path

from storage.control.leader import Leadership


def this_process() -> str:
    """``host-pid-start``: the name of this worker, and of its sweep. In a container every process that starts has the same id."""
    return f"{socket.gethostname()}-{os.getpid()}-{began(os.getpid()) or 0}"


def began(pid: int) -> str | None:
    """When a process started, in the kernel's ticks; None when there is none (or no /proc), or only what nobody has waited for."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]


def died(owner: str) -> bool:
    """Whether a process of this machine is gone for certain; of another machine's nothing is known."""
    host, pid, start = owner.rsplit("-", 2) if owner.count("-") > 1 else ("", "", "")
    if host != socket.gethostname() or not pid.isdigit() or owner == this_process():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return (began(int(pid)) or "0") != start


def leads(leadership: Leadership, job: str, owner: str) -> bool:
    """Whether this process does the job now; it follows at once on a leader of this machine that died."""
    if leadership.take(job, owner):
        return True
    leader = leadership.leader(job)
    if leader is None or not died(leader):
        return False
    leadership.give_up(job, leader)
    return leadership.take(job, owner)
