"""Names the processes of an installation, and tells which of this machine's are gone."""

import os
import socket


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
