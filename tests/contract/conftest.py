"""Clients as the product makes them, against a sandbox of their own."""

import pytest
from clients import GoogleRig, MetaRig

from adpulse_sandbox import Sandbox


@pytest.fixture
def sandbox():
    with Sandbox.start() as running:
        yield running


@pytest.fixture
def meta(sandbox):
    return MetaRig(sandbox)


@pytest.fixture
def google(sandbox):
    return GoogleRig(sandbox)


@pytest.fixture(params=[MetaRig, GoogleRig], ids=["meta", "google"])
def kind(request):
    """The rig of either platform, not made yet."""
    return request.param


@pytest.fixture
def rig(kind, sandbox):
    return kind(sandbox)


@pytest.fixture(scope="module")
def standing():
    """One sandbox with a frozen clock for everything that only reads."""
    with Sandbox.start() as running:
        yield running
