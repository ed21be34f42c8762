"""The end of a process while Prefect's server accepts connections and answers none."""

import os
import socket
import subprocess
import sys

import pytest

HANGS_WITHOUT_LIMIT = {"PREFECT_API_REQUEST_TIMEOUT": "3600"}
PROCESS = """
from prefect.logging.handlers import APILogWorker
from deployments.flush import flush

APILogWorker.instance().send({"message": "the last words", "__payload_size__": 14})
flush()
print("flushed")
"""


@pytest.fixture
def silent():
    """The address of a server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/api"


def test_a_log_that_the_server_does_not_take_keeps_no_process_from_ending(silent, tmp_path):
    environment = {**os.environ, **HANGS_WITHOUT_LIMIT, "PREFECT_API_URL": silent, "PREFECT_HOME": str(tmp_path)}

    done = subprocess.run([sys.executable, "-c", PROCESS], env=environment, capture_output=True, text=True, timeout=90, check=False)

    assert (done.returncode, done.stdout) == (0, "flushed\n"), done.stderr
