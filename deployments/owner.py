"""Names the processes of an installation, and tells which of this machine's are gone."""

import os
import socket

from deployments.child import began


def this_process() -> str:
    """``host-pid-start``: the name of this worker, and of its sweep. In a container every process that starts has the same id."""
    return f"{socket.gethostname()}-{os.getpid()}-{began(os.getpid()) or 0}"


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
