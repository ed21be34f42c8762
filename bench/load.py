"""Realtime connections under load: ``python -m bench.load --connections 100 --google 50 --minutes 10 --out bench/results``.

The real thing: ``adpulse up`` (Prefect server, deployments, warm worker) as a child process and the sandbox as another, the
connections of both platforms spread over four workspaces. The sandbox's numbers move every 47 s, which meets the grid of 30 s
at ever other places. The measurement begins two slots after every first sync has ended, its 90 days included; then each slot of
the grid is judged.

It writes ``load.json`` and ``load.png``; the last line it prints is the figures and PASS or FAIL, its exit code 0 or 1.
Freshness and calls are judged for each platform by itself.
"""

import argparse
import json
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from sqlalchemy import func, select

from adpulse import bootstrap
from adpulse.cli.sandboxed import living_versions
from adpulse.clock import SystemClock
from adpulse.model import AccountFacts, Provider, RunState
from adpulse.orchestrator import use_running_server
from adpulse.services import connecting
from adpulse.services.discovering import discover
from adpulse_sandbox.google.world import MAX_EXTRA
from adpulse_sandbox.meta.world import BEGINNING
from adpulse_sandbox.remote import Remote
from bench import chart, claim, environment, evidence, processes, report, verdict
from bench.evidence import REFRESH_SECONDS, Evidence, Installation
from bench.verdict import SLOT, Figures
from bench.watch import Watch
from storage.control import database
from storage.control.tables import RunRow

WORKSPACES = ("Acme", "Borealis", "Cobalt", "Delta")
SIZES = "6,20,60,150"
"""Ads of the accounts: one call reads today of each, so 120 calls an hour of 180."""

WARM_UP = timedelta(minutes=15)
_LEFT_OUT = {
    "meta": ("Nordlicht Moebel",),
    "google": ("Alpenglow Reisen", "Pacific Trail Outfitters", "Grand Catalogue"),
}
"""What takes more than one call to read."""

_WALL = SystemClock()
_SAMPLE_SECONDS = 5
_PROGRESS_SECONDS = 15
_SETTLING = 2 * SLOT
"""Between the last first sync and the first slot that is judged: a sync that began in an overloaded slot ends in the next."""

_GRACE = timedelta(seconds=75)
"""After the last slot: what changed at its end has time to arrive."""


def run(connections: Mapping[Provider, int], minutes: float, out: Path) -> bool:
    """Run the load with so many connections of each platform and judge it; whether everything held."""
    report_progress = _progress_reporter()
    report_progress(f"Claims with {claim.CONNECTIONS} connections …")
    claims = claim.measure()
    with tempfile.TemporaryDirectory(prefix="adpulse-load-") as folder, ExitStack() as stack:
        home = Path(folder)
        installation, watch = _start(home, connections, stack, report_progress)
        _warm_up(installation, watch, report_progress)
        peaks = [processes.resident_mb(watch.worker, "VmHWM")]
        report_progress(f"The first syncs took {peaks[0]:.0f} MB of the worker at most.")
        processes.forget_peak(watch.worker)
        start = _next_slot(_WALL.now()) + _SETTLING
        count = round(timedelta(minutes=minutes) / SLOT)
        _measure(installation, watch, start, count, report_progress)
        peaks.append(processes.resident_mb(watch.worker, "VmHWM"))
        failed = evidence.failed_in_prefect()
        read = Evidence(installation, start, start + count * SLOT)
        report_progress("Comparing with the truth …")
        logs = evidence.read_logs(home)
        figures = Figures(
            slots=verdict.slots(read.syncs, [connection.id for connection in installation.connections()], start, count),
            changes=read.changes(),
            worker_peak_mb=max(peaks),
            most_calls_an_hour=read.most_calls(),
            errors={"failed syncs": read.failed(), "failed runs in Prefect": failed, "errors in the logs": len(logs.trouble)},
            claim_p95_ms=max(float(str(row["p95_ms"])) for row in claims),
        )
        memory = {"worker_peak_first_syncs_mb": peaks[0], "worker_peak_measured_mb": peaks[1]}
        counted = {provider: number for provider, number in connections.items() if number}
        figures_json = report.figures_of(figures, counted, watch.samples, logs, claims)
        figures_json |= {**memory, "syncs_without_a_call": sum(not sync.calls for sync in read.syncs)}
    problems = verdict.broken(figures)
    out.mkdir(parents=True, exist_ok=True)
    (out / "load.json").write_text(json.dumps({**figures_json, "broken": problems}, indent=2))
    chart.draw(figures_json, out / "load.png")
    for problem in problems:
        print(f"  broken: {problem}")
    print(f"{report.summary(figures_json)} · {'FAIL' if problems else 'PASS'}", flush=True)
    return not problems


def _progress_reporter() -> Callable[[str], None]:
    began = time.monotonic()
    return lambda text: print(f"{time.monotonic() - began:6.0f} s  {text}", flush=True)


def _start(
    home: Path, connections: Mapping[Provider, int], stack: ExitStack, report_progress: Callable[[str], None]
) -> tuple[Installation, Watch]:
    """Sandbox, ``adpulse up`` and the connections; the environment is put back at the end."""
    stack.enter_context(environment.only())
    (home / "logs").mkdir()
    sandbox_log = home / "logs" / "sandbox.log"
    meta, google = (str(connections[platform]) for platform in ("meta", "google"))
    extras = ("--extra", meta, "--extra-ads", SIZES, "--google-extra", google, "--google-extra-ads", SIZES)
    moving = ("--now", BEGINNING.isoformat(), "--refresh", str(REFRESH_SECONDS))
    sandbox = stack.enter_context(processes.adpulse("sandbox", "--json", *extras, *moving, log=sandbox_log, ready="control_url"))
    addresses = json.loads(sandbox_log.read_text().splitlines()[-1])
    remote = Remote(addresses["control_url"])
    stack.enter_context(environment.only(**_environment(home, addresses)))
    ahead = _set_clock(remote)
    report_progress("Starting adpulse up …")
    up = stack.enter_context(processes.adpulse("up", log=home / "logs" / "up.log", ready="Ready"))
    app = bootstrap.app()
    use_running_server(app.settings)
    installation = Installation(app=app, engine=database.connect(app.settings.control_url), remote=remote, home=home, ahead=ahead)
    _connect(installation, connections, addresses)
    report_progress(f"{meta} Meta and {google} Google connections in {len(WORKSPACES)} workspaces, adpulse up is process {up.pid}.")
    return installation, Watch(up.pid, sandbox.pid)


def _environment(home: Path, addresses: Mapping[str, Any]) -> dict[str, str]:
    """What points the installation, and this process, at the sandbox; gRPC reads its roots when it first needs them."""
    google = addresses["google"]
    roots = "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"
    return {
        "ADPULSE_HOME": str(home),
        "ADPULSE_SANDBOX_URL": addresses["control_url"],
        "ADPULSE_META_GRAPH_URL": addresses["graph_url"],
        "ADPULSE_GOOGLE_ENDPOINT": google["endpoint"],
        "ADPULSE_GOOGLE_TOKEN_URL": google["token_url"],
        "ADPULSE_GOOGLE_CLIENT_ID": google["client_id"],
        "ADPULSE_GOOGLE_CLIENT_SECRET": google["client_secret"],
        "ADPULSE_GOOGLE_ACCESS": "standard",
        roots: google["environment"][roots],
        **living_versions(addresses["versions"]),
    }


def _set_clock(remote: Remote) -> timedelta:
    """Put business time on the same grid as real time, because Prefect's schedules tick in real time; how far it is ahead."""
    midnight = _WALL.now().replace(hour=0, minute=0, second=0, microsecond=0)
    ahead = BEGINNING - midnight - (_WALL.now() - midnight) // SLOT * SLOT
    remote.set(_WALL.now() + ahead)
    return ahead


def _connect(installation: Installation, connections: Mapping[Provider, int], addresses: Mapping[str, Any]) -> None:
    """Spread each platform's connections over the workspaces, all with the one credential that reaches them."""
    secrets = {"meta": addresses["tokens"]["full"], "google": addresses["google"]["refresh_tokens"]["full"]}
    workspaces = [installation.app.workspaces.create(name) for name in WORKSPACES]
    for workspace in workspaces:
        installation.app.workspaces.grant_realtime(workspace.id)
    for provider in [name for name, count in connections.items() if count]:
        secret = SecretStr(secrets[provider])
        reached = discover(installation.app, provider, secret)
        accounts = [account for account in reached.accounts if _fits(provider, account)]
        for number, workspace in enumerate(workspaces):
            chosen = accounts[: connections[provider]][number :: len(WORKSPACES)]
            if chosen:
                connecting.connect(installation.app, workspace.id, provider, secret, replace(reached, accounts=chosen), "realtime")


def _fits(provider: Provider, account: AccountFacts) -> bool:
    return account.enabled and not account.manager and account.name not in _LEFT_OUT[provider]


def _warm_up(installation: Installation, watch: Watch, report_progress: Callable[[str], None]) -> None:
    """Until every connection's first sync, 90 days included, has ended.

    Raises:
        RuntimeError: it took too long.
    """
    deadline, reported_at = _WALL.now() + WARM_UP, 0.0
    expected = len(installation.connections())
    while True:
        watch.take()
        states = _states(installation.engine)
        ready = states.pop("synced")
        if ready == expected:
            report_progress(f"All {expected} first syncs have ended.")
            return
        if _WALL.now() > deadline:
            raise RuntimeError(
                f"After {WARM_UP} {ready} of {expected} first syncs have ended: {states}\n"
                + "\n".join(evidence.read_logs(installation.home).trouble[: report.SHOWN_LINES])
            )
        if time.monotonic() - reported_at >= _PROGRESS_SECONDS:
            reported_at = time.monotonic()
            report_progress(f"first syncs: {ready} of {expected} ended; runs {states}{_load(watch)}")
        time.sleep(_SAMPLE_SECONDS)


def _states(engine: database.Engine) -> dict[str, int]:
    with database.reading(engine).connect() as session:
        counted = session.execute(select(RunRow.state, func.count()).group_by(RunRow.state))
        states = {str(state): int(count) for state, count in counted}
        finished = select(func.count(RunRow.connection_id.distinct())).where(RunRow.state == RunState.DONE.value)
        return {**states, "synced": session.scalar(finished) or 0}


def _measure(installation: Installation, watch: Watch, start: datetime, count: int, report_progress: Callable[[str], None]) -> None:
    end, reported_at = start + count * SLOT, 0.0
    time.sleep(max(0.0, (start - _WALL.now()).total_seconds()))
    watch.begin()
    while _WALL.now() < end + _GRACE:
        watch.take()
        if time.monotonic() - reported_at >= _PROGRESS_SECONDS:
            reported_at = time.monotonic()
            passed = min(count, max(0, (_WALL.now() - start) // SLOT))
            judged = verdict.slots(
                evidence.syncs_since(installation.engine, start),
                [connection.id for connection in installation.connections()],
                start,
                passed,
            )
            sums = {name: sum(getattr(slot, name) for slot in judged) for name in ("done", "late", "missing")}
            last = f", the last slot took {judged[-1].longest_seconds:.1f} s" if judged else ""
            report_progress(f"slot {passed} of {count}: {sums}{last}{_load(watch)}")
        time.sleep(_SAMPLE_SECONDS)


def _load(watch: Watch) -> str:
    if not watch.samples:
        return ""
    last = watch.samples[-1]
    cpu = f"CPU worker {last.worker_cpu:.0f} server {last.server_cpu:.0f} sandbox {last.sandbox_cpu:.0f} machine {last.machine_cpu:.0f} %"
    return f"; {last.worker_mb:.0f} MB, {cpu}"


def _next_slot(now: datetime) -> datetime:
    epoch = datetime(2020, 1, 1, tzinfo=UTC)
    return epoch + ((now - epoch) // SLOT + 1) * SLOT


def main() -> None:
    """Run it as the arguments say."""
    parser = argparse.ArgumentParser(prog="python -m bench.load", description="Realtime connections under load, judged.")
    parser.add_argument("--connections", type=int, default=100)
    parser.add_argument("--google", type=int, help="how many of these are Google's; half of them unless told")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    chosen = parser.parse_args()
    google = chosen.connections // 2 if chosen.google is None else chosen.google
    if not 0 <= google <= min(chosen.connections, MAX_EXTRA):
        parser.error(f"--google must be 0 to {min(chosen.connections, MAX_EXTRA)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # as on Ctrl-C: what was started is ended on the way out
    try:
        passed = run({"meta": chosen.connections - google, "google": google}, chosen.minutes, chosen.out)
    except RuntimeError as error:
        sys.exit(f"{error}\nFAIL")
    sys.exit(0 if passed else 1)


if __name__ == "__main__":
    main()
