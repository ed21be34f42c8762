"""An app of Meta's limited tier is blocked beyond 60 calls of an account in 300 seconds; one of the full tier is not."""

from bisect import bisect_right
from datetime import timedelta

import pytest
from installation import Installation

from adpulse.model import RunState
from adpulse_sandbox import Sandbox
from adpulse_sandbox.meta.graph import Options

BURST = timedelta(seconds=300)


@pytest.fixture
def installation(tmp_path, request):
    with Sandbox.start(extra=1, meta=Options(limited_tier=request.param)) as sandbox:
        made = Installation(tmp_path / "home", sandbox, ADPULSE_META_PAGE_SIZE="8", ADPULSE_META_LARGEST_PAGE="8")
        yield made
        made.close()


def most_calls(installation, connection):
    calls = [call.at for call in installation.sandbox.calls.calls(connection.external_id)]
    return max(bisect_right(calls, at + BURST) - n for n, at in enumerate(calls))


@pytest.mark.parametrize("installation", [True], indirect=True)
def test_a_first_sync_with_a_limited_app_is_spread_so_that_meta_refuses_nothing(installation):
    connection = installation.connect("Corner Store 1")
    run = installation.sync(connection)

    answers = {call["status"] for call in installation.remote.calls(connection.external_id)}
    assert (run.state, answers) == (RunState.DONE, {200})
    assert len(installation.sandbox.calls.calls(connection.external_id)) > 50
    assert most_calls(installation, connection) <= 50
    assert installation.app.ledger.limit(connection.ledger_key).burst is not None
    assert installation.differences(connection) == []


@pytest.mark.parametrize("installation", [False], indirect=True)
def test_with_full_access_which_the_first_answers_tell_nothing_waits_for_it(installation):
    connection = installation.connect("Corner Store 1")
    run = installation.sync(connection)

    assert run.state is RunState.DONE
    assert installation.app.ledger.limit(connection.ledger_key).burst is None
    assert most_calls(installation, connection) > 60
