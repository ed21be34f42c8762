"""An installation whose real worker, and sometimes Prefect's server, are killed with SIGKILL."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress

from kills import invariants
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter
from running import ENDED, Running, forget_prefect, processes_of
from waiting import PATIENCE_SECONDS

from adpulse.model import RunState
from deployments.deploy import deploy

ALIVE = ["RUNNING", "PENDING", "CANCELLING"]
WORKING = (RunState.LEASED, RunState.FETCHED, RunState.APPLIED)


class Workers(Running):
    """Works like :class:`Running`; with a ``server`` (a PrefectServer) only workers are started and killed."""

    def __init__(self, home, sandbox, **variables):
        super().__init__(home, sandbox, **variables)
        self.home = home
        self.printed = []
        self._slots = set()

    def serve_with(self, server):
        """Talk to this server, and deploy everything there once."""
        self.prefect = server.environment()
        self.environment |= self.prefect
        os.environ.update(self.prefect)
        forget_prefect()
        asyncio.run(deploy(self.app.settings.work_pool))

    def start_worker(self):
        """``adpulse worker`` as a child process."""
        self.child = subprocess.Popen(
            [sys.executable, "-m", "adpulse", "worker"],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        threading.Thread(target=self._read, args=(threading.Event(),), daemon=True).start()

    def kill(self):
        """SIGKILL to the process that was started last."""
        os.kill(self.child.pid, signal.SIGKILL)
        assert self.child.wait(timeout=60) == -signal.SIGKILL

    def working(self):
        """Runs that somebody holds a lease for: state and calls so far."""
        return [(run.state.value, run.calls) for run in self.newest() if run.state in WORKING]

    def until_it_calls(self, or_holds=lambda: False):
        """Wait until the platform was called once more, or until this holds."""
        before = len(self.sandbox.calls.calls())
        self.until(lambda: len(self.sandbox.calls.calls()) > before or or_holds(), told=self.told)

    def told(self):
        """Where everything is, for a failure's message."""
        with get_client(sync_client=True) as client:
            flow_runs = [f"{run.id} {run.state_name} {run.start_time} {run.labels}" for run in client.read_flow_runs()]
        runs = [f"{run.id} {run.state} {run.flow_run_id} {run.until} {run.error}" for run in self.newest()]
        return "\n".join(["flow runs:", *flow_runs, "runs:", *runs])

    def newest(self):
        """Every connection's newest runs."""
        return [run for view in self.app.connections.all() for run in self.app.runs.history(view.connection.id, 3)]

    def all_ended(self, seconds=PATIENCE_SECONDS):
        """Wait until nothing is open: what is postponed gets its time."""
        deadline = time.monotonic() + seconds
        while True:
            self.note_all()
            waiting = [run for run in self.newest() if run.state not in ENDED]
            if not waiting:
                return
            for run in waiting:
                if run.state is RunState.POSTPONED and run.until:
                    self.advance_to(run.until)
            assert time.monotonic() < deadline, f"still open after {seconds} s:\n{self.told()}\n" + "\n".join(self.printed[-30:])
            time.sleep(0.2)

    def note_all(self):
        """Remember when each part was read, and the slots that the worker's sweep will prune."""
        self._slots |= set(invariants.slots_of(self.engine))
        for view in self.app.connections.all():
            self.note(view.connection)

    def slots(self):
        """Account and instant of every call that was counted."""
        return [(key, at) for _, key, at in self._slots]

    def live(self):
        """The live warehouse."""
        return self.home / "warehouse" / f"{self.workspace.id}.duckdb"

    def breaches(self):
        """What does not hold although nothing is open and no worker writes."""
        self.note_all()
        with invariants.opened(self.live(), self.published()) as files:
            return [
                *invariants.doubled_keys(files),
                *invariants.calls_without_slot(self),
                *invariants.telemetry_apart_from_warehouse(self, files),
                *invariants.history_apart_from_present(files),
                *invariants.different(files),
                *invariants.untrue(self),
                *invariants.apart_from_history(self),
            ]

    def alive(self):
        """Prefect's flow runs that somebody should be executing: state by id."""
        with get_client(sync_client=True) as client:
            found = client.read_flow_runs(flow_run_filter=FlowRunFilter.model_validate({"state": {"type": {"any_": ALIVE}}}))
        return {str(run.id): run.state.type.value for run in found if run.state}


class Installed(Workers):
    """``adpulse up``: worker and server."""

    server = 0

    def start(self):
        super().start()
        self.server = json.loads((self.home / "prefect" / "server.json").read_text())["pid"]

    def kill_both(self):
        """SIGKILL to the worker, and to the server before it could notice."""
        self.kill()
        with suppress(ProcessLookupError):
            os.killpg(self.server, signal.SIGKILL)
        self.until(lambda: processes_of(self.home) == [], told=lambda: processes_of(self.home))
