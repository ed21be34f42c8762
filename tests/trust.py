"""Lets this process's gRPC trust the sandboxes' certificate."""

import os
import tempfile
from functools import lru_cache
from pathlib import Path

from adpulse_sandbox.google.certificate import key_and_certificate


@lru_cache(maxsize=1)
def roots():
    """The sandboxes' certificate as a file; all sandboxes of a process have the same."""
    path = Path(tempfile.mkdtemp(prefix="adpulse-test-roots-")) / "ca.pem"
    path.write_bytes(key_and_certificate()[1])
    return path


def trust():
    """Name the file to gRPC, which reads it when a process opens its first secure channel."""
    os.environ["GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"] = str(roots())
