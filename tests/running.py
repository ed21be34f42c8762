"""``adpulse up`` as a child process, and this test's own look at the same installation."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from installation import Installation
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import DeploymentFilter, FlowRunFilter
from prefect.client.schemas.sorting import FlowRunSort
from prefect.context import refresh_global_settings_context
from waiting import until

from adpulse import orchestrator, prefect_login
from adpulse.model import Parts, RunState
from adpulse.services import syncing

READY_SECONDS = 200
ENDED = (RunState.DONE, RunState.FAILED, RunState.DEAD)


class Running(Installation):
    """An installation that runs its syncs through deployments and the worker."""

    def __init__(self, home, sandbox, **variables):
        fast = {"ADPULSE_SWEEP_SECONDS": "1"}
        super().__init__(home, sandbox, **fast, **variables)
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
        self.child = None
        self.prefect = {}

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()
        self.close()

    def start(self):
        """Start ``adpulse up`` and wait until it says that it is ready."""
        command = [sys.executable, "-m", "adpulse", "up"]
        self.child = subprocess.Popen(
            command,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            umask=0o022,  # as most people's shells have it
        )
        self.printed, ready = [], threading.Event()
        threading.Thread(target=self._read, args=(ready,), daemon=True).start()
        if not ready.wait(READY_SECONDS):
            self.child.kill()
            raise AssertionError("adpulse up did not get ready:\n" + "\n".join(self.printed))
        login = prefect_login.existing_login(self.app.settings.home).get_secret_value()
        self.prefect = json.loads((self.app.settings.home / "prefect" / "server.json").read_text())["environment"]
        self.prefect |= {"PREFECT_API_AUTH_STRING": login}
        os.environ.update(self.prefect)
        forget_prefect()

    def _read(self, ready):
        for line in self.child.stdout:
            self.printed.append(line.rstrip())
            if line.startswith("Ready"):
                ready.set()

    def stop(self, number=signal.SIGINT):
        """Ctrl-C, or worse; its exit code."""
        if self.child and self.child.poll() is None:
            self.child.send_signal(number)
            self.child.wait(timeout=90)
        return self.child.returncode

    def cli(self, *arguments, stdin=None, **variables):
        """An ``adpulse`` command; (exit code, what it printed)."""
        command = [sys.executable, "-m", "adpulse", *arguments]
        done = subprocess.run(
            command, env={**self.environment, **variables}, input=stdin or "", capture_output=True, text=True, timeout=120, check=False
        )
        return done.returncode, done.stdout + done.stderr

    def ask(self, connection, parts=Parts.BOTH, *, force=False):
        """Press Sync now."""
        return syncing.request_sync(self.app, connection.id, parts, force=force).run_id

    def ended(self, run_id):
        """The run once it is closed."""
        self.until(lambda: self.app.runs.get(run_id).state in ENDED, told=lambda: self.app.runs.get(run_id))
        return self.app.runs.get(run_id)

    def until(self, holds, told=lambda: ""):
        """Wait for something that must come; a failure shows the end of what the child printed."""
        until(holds, lambda: "\n".join([str(told()), *self.printed[-30:]]))

    def note(self, connection):
        """Remember when each day was read, for the comparison with the truth."""
        self.notes.setdefault(connection.id, []).append(self.app.partitions.ages(connection.id))

    def flow_runs(self, deployment):
        """Every flow run of a deployment, oldest first."""
        with get_client(sync_client=True) as client:
            found = client.read_flow_runs(
                deployment_filter=DeploymentFilter.model_validate({"name": {"any_": [deployment]}}),
                flow_run_filter=FlowRunFilter(),
                sort=FlowRunSort.EXPECTED_START_TIME_ASC,
                limit=200,
            )
        return [run for run in found if run.state and run.state.type != "SCHEDULED"]


def forget_prefect():
    """Prefect reads its environment when it is imported, which is long ago here."""
    refresh_global_settings_context()
    orchestrator._asked.clear()
    orchestrator.client.cache_clear()
    orchestrator._deployment_id.cache_clear()


def processes_of(home):
    """Command lines of live processes whose environment or command line names the installation's folder."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        try:
            text = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
            state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if str(home).encode() in text and state != "Z":
            found.append((folder / "cmdline").read_text().replace("\0", " "))
    return found
