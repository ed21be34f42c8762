"""Time from a press of Sync now to the first call at the platform: ``adpulse up`` as it runs, pressed over HTTP, one press at a time.

Each press waits until the sync before it has ended, and then for a pause that is spread over the worker's polling interval, so that
no press is in step with it. The sandbox, the server, the worker and this program share the machine.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import requests
from pydantic import SecretStr

from adpulse.bootstrap import App
from adpulse.cli.sandboxed import living_versions
from adpulse.model import Connection, RunState
from adpulse.role import Role
from adpulse.services import connecting
from adpulse.services.discovering import discover
from adpulse_sandbox import Sandbox
from bench import environment, processes

CLICKS = 40
ACCOUNTS = 6
SIZE = 60
_SPREAD = 0.618
_POLL_SECONDS = 0.005
_WAIT_SECONDS = 180.0


def measure() -> list[dict[str, object]]:
    """One row: seconds from the press to the platform's first call, and how long the press itself was answered after, in ms."""
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="adpulse-clicks-")))
        sandbox = stack.enter_context(Sandbox.start(rate=1.0, extra=ACCOUNTS, extra_ads=(SIZE,)))
        stack.enter_context(
            environment.only(
                ADPULSE_HOME=str(home),
                ADPULSE_META_GRAPH_URL=sandbox.graph_url,
                ADPULSE_SANDBOX_URL=sandbox.control_url,
                **living_versions(sandbox.versions),
            )
        )
        app = environment.installed()
        connections, key = _connect(app, sandbox), app.keys.create("bench", Role.OPERATOR, None)[1]
        stack.enter_context(processes.adpulse("up", log=home / "up.log", ready="Ready"))
        press = _Presser(app, (home / "web.address").read_text(), key)
        for connection in connections:
            press.until_ended(press.once(connection))
        seconds, answers = [], []
        for number in range(CLICKS):
            connection = connections[number % len(connections)]
            time.sleep(1 + number * _SPREAD % 1)
            calls_before, began = len(sandbox.calls.calls(connection.external_id)), time.perf_counter()
            run_id = press.once(connection)
            answers.append(1000 * (time.perf_counter() - began))
            _wait(lambda: len(sandbox.calls.calls(connection.external_id)) > calls_before)  # noqa: B023 - called before the next turn
            seconds.append(time.perf_counter() - began)
            press.until_ended(run_id)
    return [{"clicks": CLICKS, **_ranks("first_call_s", seconds, 2), **_ranks("answer_ms", answers, 1)}]


class _Presser:
    """Presses Sync now as a program does, over one connection."""

    def __init__(self, app: App, address: str, key: SecretStr) -> None:
        self._app = app
        self._address = address
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {key.get_secret_value()}"

    def once(self, connection: Connection) -> str:
        """The job that serves it."""
        answer = self._session.post(f"{self._address}/connections/{connection.id}/sync-now", timeout=30)
        answer.raise_for_status()
        return str(answer.json()["job_id"])

    def until_ended(self, run_id: str) -> None:
        """Wait for the end of a sync; one that failed fails the measurement."""
        ended = (RunState.DONE, RunState.FAILED, RunState.DEAD)
        _wait(lambda: self._app.runs.get(run_id).state in ended)
        run = self._app.runs.get(run_id)
        if run.state is not RunState.DONE:
            raise RuntimeError(f"A sync ended as {run.state}: {run.error}")


def _connect(app: App, sandbox: Sandbox) -> list[Connection]:
    """Accounts of a usual size, none of them synced by a schedule."""
    token = SecretStr(sandbox.world.token("full").value)
    sized = {account.id for account in sandbox.world.accounts.values() if account.spec.ads == SIZE}
    reached = discover(app, "meta", token)
    chosen = replace(reached, accounts=[account for account in reached.accounts if account.external_id in sized][:ACCOUNTS])
    workspace = app.workspaces.create("bench")
    views = connecting.connect(app, workspace.id, "meta", token, chosen, "manual", dispatcher=lambda _app, _provider: None)
    return [view.connection for view in views]


def _wait(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _WAIT_SECONDS
    while not holds():
        if time.monotonic() > deadline:
            raise RuntimeError(f"It did not happen in {_WAIT_SECONDS:g} s.")
        time.sleep(_POLL_SECONDS)


def _ranks(name: str, values: list[float], digits: int) -> dict[str, object]:
    ranks = {"median": statistics.median(values), "p95": statistics.quantiles(values, n=20)[18], "max": max(values)}
    return {f"{name}_{rank}": round(value, digits) for rank, value in ranks.items()}
