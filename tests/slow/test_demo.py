"""The two ways in which a newcomer sees adpulse as a whole: the demo, and an installation that is killed and started again."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from running import Running, processes_of

from adpulse.model import RunState
from adpulse_sandbox import Sandbox

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parent.parent.parent


@pytest.mark.timeout(600)
def test_the_demo_holds_what_it_shows_and_leaves_nothing_running(tmp_path):
    report = tmp_path / "report.json"
    command = [sys.executable, "-m", "adpulse", "demo", "--report", str(report)]

    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=550, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(report.read_text())
    assert set(told) == {"connections", "second_sync_rows_written", "truth_differences", "scheduled_run_seen"}
    assert (told["second_sync_rows_written"], told["truth_differences"], told["scheduled_run_seen"]) == (0, 0, True)
    assert [each["provider"] for each in told["connections"]] == ["meta"] * 3 + ["google"] * 2
    assert sum(each["fetched"] for each in told["connections"]) >= 10_000
    for each in told["connections"]:
        assert set(each) == {"name", "provider", "calls", "fetched", "inserted", "updated", "unchanged", "truth_differences"}
    assert processes_of(tmp_path) == []


@pytest.mark.timeout(600)
def test_an_installation_killed_in_the_middle_of_a_sync_goes_on_when_it_is_started_again(tmp_path):
    home = tmp_path / "home"
    with Sandbox.start(extra=1) as sandbox, Running(home, sandbox) as running:
        connection = running.connect("Harbor Outdoor")
        running.remote.fault("slow", kind="insights", seconds=3.0)
        run_id = running.ask(connection)
        running.until(lambda: running.remote.calls(connection.external_id))

        running.stop(signal.SIGKILL)
        running.until(lambda: processes_of(home) == [], told=lambda: processes_of(home))
        running.remote.clear_faults()
        running.start()
        run = running.ended(run_id)
        running.note(connection)

        assert run.state is RunState.DONE
        assert running.differences(connection) == []
        code = running.stop()
        assert code == 0
        assert processes_of(home) == []
