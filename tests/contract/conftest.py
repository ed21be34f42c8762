"""Clients as the product makes them, against a sandbox of their own."""

import pytest
from clients import MetaRig
from installation import Installation

from adpulse.sandbox import Sandbox


@pytest.fixture
def sandbox():
    with Sandbox.start() as running:
        yield running


@pytest.fixture
def meta(sandbox):
    return MetaRig(sandbox)


@pytest.fixture
def installation(sandbox, tmp_path):
    made = Installation(tmp_path / "home", sandbox)
    yield made
    made.close()
