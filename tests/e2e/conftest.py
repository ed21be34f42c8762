"""One real installation for all tests here: ``adpulse up`` with its Prefect server and worker, against a sandbox."""

import pytest
from running import Running

from adpulse.sandbox import Sandbox


@pytest.fixture(scope="package")
def running(tmp_path_factory):
    with Sandbox.start(extra=41) as sandbox, Running(tmp_path_factory.mktemp("installation"), sandbox) as up:
        yield up
