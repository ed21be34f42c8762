"""One real installation for all tests here: ``adpulse up`` with its Prefect server and worker, against a sandbox."""

import pytest
from running import Running, processes_of

from adpulse_sandbox import Sandbox


@pytest.fixture(scope="package")
def running(tmp_path_factory, prefect_home):
    home = prefect_home(tmp_path_factory.mktemp("installation"))
    with Sandbox.start(extra=44) as sandbox:
        with Running(home, sandbox, ADPULSE_WEBHOOK_PRIVATE_TARGETS="true") as up:
            yield up
        assert up.child.returncode == 0, "\n".join(up.printed[-30:])
        assert processes_of(home) == []
