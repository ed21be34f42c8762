"""The steps of a sync, called one after the other against a sandbox, with everything real but Prefect."""

import pytest
from installation import Installation

from adpulse_sandbox import Sandbox

pytest.register_assert_rewrite("steps.matrix")

from steps.matrix import Seen  # noqa: E402 - its assertions are rewritten only when it is imported after that


@pytest.fixture
def sandbox():
    with Sandbox.start(extra=2) as running:
        yield running


@pytest.fixture
def quiet(sandbox, tmp_path):
    """An installation that publishes what its first leg stored, and then no more."""
    made = Installation(tmp_path / "quiet", sandbox, ADPULSE_PUBLISH_SECONDS="1000")
    yield made
    made.close()


@pytest.fixture(scope="module")
def seen(request):
    """What a fault matrix has seen; printed in the end."""
    found = Seen()
    yield found
    found.print(request.module.PLACES)
