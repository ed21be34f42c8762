"""Worker and Prefect server are killed together, with flow runs Pending, Running and Cancelling; nothing is left behind anywhere."""

import sqlite3
import time

import pytest
from kills.workers import Installed
from prefect.client.orchestration import get_client
from prefect.states import Cancelling

from adpulse import orchestrator
from adpulse.frequency import Frequency
from adpulse.model import RunState
from adpulse_sandbox import Sandbox
from adpulse_sandbox.google.running import Options

pytestmark = pytest.mark.slow
ACCOUNTS = ("Corner Store 1", "Corner Store 2", "Side Street 1")
AT_ONCE, TRIES = 3, 5


class Watched(Installed):
    """Whose flow runs' states are looked at."""

    def state_at_the_kill(self, flow_run):
        """What the dead server's database says; None when there is no such flow run."""
        with sqlite3.connect(self.home / "prefect" / "prefect.db") as database:
            found = database.execute("SELECT state_type FROM flow_run WHERE id = ?", [str(flow_run)]).fetchone()
        return found and found[0]

    def asked_for(self, count):
        """Flow runs of a scheduled deployment, asked for by hand, beside whatever runs."""
        with get_client(sync_client=True) as client:
            deployment = client.read_deployment_by_name(orchestrator.deployment_name("meta", Frequency.EVERY_5_MIN))
            return [client.create_flow_run_from_deployment(deployment.id).id for _ in range(count)]

    def history(self, flow_run):
        """Every state it had: type and message."""
        with get_client(sync_client=True) as client:
            states = client.read_flow_run_states(flow_run)
        return [(state.type.value, state.message) for state in sorted(states, key=lambda each: each.timestamp)]

    def seen(self, wanted, flow_runs):
        """Poll as fast as it goes until one of the flow runs is in the wanted state; None when all went past it."""
        with get_client(sync_client=True) as client:
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline:
                states = {flow_run: client.read_flow_run(flow_run).state for flow_run in flow_runs}
                found = [flow_run for flow_run, state in states.items() if state and state.type.value == wanted]
                if found:
                    return found[0]
                if all(state and state.is_final() for state in states.values()):
                    return None
        return None

    def running(self):
        """A flow run that syncs: its id."""
        self.until(self.alive, told=self.told)
        self.until_it_calls()
        return self.seen("RUNNING", list(self.alive()))

    def pending(self):
        """A flow run that the worker has taken and not begun."""
        for _ in range(20):
            if found := self.seen("PENDING", self.asked_for(AT_ONCE)):
                return found
        raise AssertionError("no flow run was ever seen Pending")

    def cancelling(self):
        """A flow run that somebody has just cancelled."""
        flow_run = self.running()
        with get_client(sync_client=True) as client:
            client.set_flow_run_state(flow_run, Cancelling(), force=True)
        return self.seen("CANCELLING", [flow_run])


@pytest.mark.timeout(900)
@pytest.mark.parametrize("wanted", ["RUNNING", "PENDING", "CANCELLING"])
def test_worker_and_server_killed_together_leave_no_flow_run_that_nobody_executes(tmp_path, wanted):
    home = tmp_path / "home"
    google = Options(extra=1)
    with (
        Sandbox.start(extra=2, google=google) as sandbox,
        Watched(home, sandbox, ADPULSE_META_PAGE_SIZE="10", ADPULSE_META_LARGEST_PAGE="10") as installed,
    ):
        connections = [installed.connect(name) for name in ACCOUNTS]
        installed.remote.fault("slow", kind="insights", seconds=0.5)
        for connection in connections:
            installed.ask(connection)
        for _ in range(TRIES):
            struck = getattr(installed, wanted.lower())()
            installed.kill_both()
            at_kill = installed.state_at_the_kill(struck)
            print(f"killed with {struck} {at_kill}; syncs {installed.working()}")
            if at_kill == wanted:
                break
            installed.start()  # it went on in the last millisecond: once more
        installed.remote.clear_faults()
        sandbox.clock.advance(600)
        installed.start()
        installed.all_ended()  # adoption of what the dead worker held
        for connection in connections:
            installed.ask(connection)
        installed.all_ended()
        installed.until(lambda: not installed.alive(), told=installed.told)
        history = installed.history(struck)
        ended = {run.state for run in installed.newest()}
        print(f"{struck}: {history}")
        code = installed.stop()
        breaches = installed.breaches()

    assert at_kill == wanted
    assert [state for state, _ in history][-2:] == [wanted, "CRASHED"]
    assert breaches == []
    assert ended == {RunState.DONE}
    assert code == 0
