"""Reports that take seconds to minutes of the sandbox's clock: the ladder waits for them, and what they hold is stored."""

from datetime import date, timedelta

import pytest
from installation import Installation
from repeats import first_quick

from adpulse.model import FetchKind, RunState
from adpulse_sandbox import Sandbox
from adpulse_sandbox.meta.specs import VARIED

DAY = timedelta(days=1)
IMPOSSIBLE = date(2026, 3, 20) - 9 * DAY
TIMED = [spec for spec in VARIED if spec.job_seconds]


@pytest.fixture
def sandbox():
    with Sandbox.start() as running:
        yield running


@pytest.fixture
def installation(sandbox, tmp_path):
    made = Installation(tmp_path / "home", sandbox)
    yield made
    made.close()


@pytest.mark.parametrize("spec", first_quick(TIMED), ids=lambda spec: f"{spec.job_seconds} s and {spec.job_unreadable_seconds} s more")
def test_a_day_that_only_a_report_answers_is_stored_once_its_time_is_over(installation, sandbox, spec):
    connection = installation.connect(spec.name, token="varied")
    installation.app.client(connection)._sleep = lambda _: None
    sandbox.faults.add([{"action": "too_much_data", "kind": "insights", "day": IMPOSSIBLE.isoformat()}])
    began = sandbox.clock.now()

    run = installation.sync(connection, legs=80)

    polls = [call for call in sandbox.calls.calls() if call.kind == "job"]
    took = (sandbox.clock.now() - began).total_seconds()
    print(f"{spec.name}: {len(polls)} polls, {took:.0f} s")
    assert run.state is RunState.DONE
    assert installation.app.holes.of(connection.id) == {}
    assert took >= spec.job_seconds + spec.job_unreadable_seconds
    assert IMPOSSIBLE in {day for kind, day in installation.app.partitions.ages(connection.id).days if kind is FetchKind.ADS}
    assert installation.differences(connection) == []
