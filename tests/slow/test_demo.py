"""The two ways in which a newcomer sees adpulse as a whole: the demo, and an installation that is killed and started again."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from running import Running, processes_of

from adpulse.model import RunState
from adpulse_sandbox import Sandbox
from adpulse_sandbox.meta.world import create

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parent.parent.parent
NEWCOMER = f"""
if ! adpulse connections | grep -q Sakura
then adpulse workspace create Acme && adpulse connect meta --workspace Acme --account {create().account("Sakura Tea").id} --frequency manual
fi && adpulse sync "Sakura Tea" --wait && adpulse status && adpulse analytics Acme
"""
"""What somebody types in a second terminal: a workspace and a connection unless they are there, a sync, and where the numbers are."""

README_QUERY = re.search(r"```sql\n(.+?)```", (ROOT / "README.md").read_text(), re.DOTALL)[1]


@pytest.mark.timeout(900)
def test_the_demo_holds_what_it_shows_and_leaves_nothing_running(tmp_path):
    report = tmp_path / "report.json"
    command = [sys.executable, "-m", "adpulse", "demo", "--report", str(report)]

    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=850, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(report.read_text())
    assert set(told) == {"connections", "second_sync_rows_written", "truth_differences", "scheduled_run_seen"}
    assert (told["second_sync_rows_written"], told["truth_differences"], told["scheduled_run_seen"]) == (0, 0, True)
    assert [each["provider"] for each in told["connections"]] == ["meta"] * 3 + ["google"] * 2
    assert sum(each["fetched"] for each in told["connections"]) >= 10_000
    for each in told["connections"]:
        assert set(each) == {"name", "provider", "calls", "fetched", "inserted", "updated", "unchanged", "truth_differences"}
    assert len(re.findall(r"^(?:Acme|Nippon Tea), [A-Z]{3}: spend of \w+, [\d,.]+ up to \d\d:00$", done.stdout, re.MULTILINE)) == 4
    assert (tmp_path / ".demo" / "course.svg").read_text().count('<circle class="ago0"') == 4
    assert processes_of(tmp_path) == []


@pytest.mark.timeout(1200)
def test_a_newcomer_has_numbers_by_what_the_readme_says_and_sigterm_ends_all_of_it(tmp_path):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ADPULSE_", "PREFECT_"))}
    for _ in range(2):  # the second time with what is there
        command = [sys.executable, "-m", "adpulse", "up", "--sandbox"]
        with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True) as up:
            try:
                printed = []
                for line in up.stdout:
                    printed.append(line)
                    if line.startswith("Ready"):
                        break
                (hint,) = (line for line in printed if line.startswith("In a second terminal: "))
                shell = f"{hint.removeprefix('In a second terminal: ').strip()} && adpulse workspace list --json; {NEWCOMER}"
                second = subprocess.run(["/bin/sh", "-c", shell], cwd="/", capture_output=True, text=True, timeout=500, check=False)
            finally:
                up.send_signal(signal.SIGTERM)
                up.communicate(timeout=90)

        assert second.returncode == 0, second.stdout + second.stderr
        assert "no change" in second.stdout or "rows changed" in second.stdout
        file = second.stdout.splitlines()[-1].removeprefix("Acme").strip()
        with duckdb.connect(file, read_only=True) as copy:
            assert copy.execute(README_QUERY).fetchall() != []
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
