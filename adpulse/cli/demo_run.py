"""The steps of the demo, in order, each checked; failed checks are collected and listed at the end."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import typer
from pydantic import SecretStr

from adpulse import orchestrator, presentation
from adpulse.api.pages.chart import day_chart
from adpulse.bootstrap import app
from adpulse.cli.course_picture import CoursePicture, blocks_for, svg
from adpulse.cli.history_proof import history_differences
from adpulse.cli.proof import Proof, Reads
from adpulse.cli.tables import print_table
from adpulse.discovered_accounts import DiscoveredAccounts
from adpulse.errors import Unavailable
from adpulse.frequency import Frequency
from adpulse.model import Connection, ConnectionStatus, Provider, RunState
from adpulse.planner.windows import PartitionAges
from adpulse.services import connecting, syncing
from adpulse.services.discovering import discover
from adpulse.services.today import today_of
from adpulse_sandbox.remote import Remote
from storage.control.connections import ConnectionView
from storage.control.runs import RunView
from storage.control.sync_requests import Ticket
from storage.warehouse.analytics import read

STEP_SECONDS = 90
SCHEDULE_SECONDS = 120
JUST_DUE_SECONDS = 45
DAY_STEPS = 8
FEWEST_ROWS = 10_000
_POLL_SECONDS = 0.3
REALTIME, SECOND, THIRD = "Harbor Outdoor", "Sakura Tea", "Corner Store 1"
SEARCH, MIXED = "Alpenglow Reisen", "Pacific Trail Outfitters"
"""Google customers: Search and Performance Max; and every channel, with and without rows at ad level."""
_META, _GOOGLE = Provider("meta"), Provider("google")


@dataclass(slots=True)
class Figures:
    """The partition ages of one connection after each step, and its differences from the truth at the end."""

    connection: Connection
    notes: list[PartitionAges] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)


class DemoRun:
    """The demo against a running sandbox and a running installation."""

    def __init__(self, world: dict[str, Any]) -> None:
        self._app = app()
        self._world = world
        self._remote = Remote(world["control_url"])
        self._figures_by_name: dict[str, Figures] = {}
        self._broken: list[str] = []
        self._second_sync_rows = -1
        self._scheduled_run_seen = False

    def run(self) -> None:
        """Run every step."""
        self._connect()
        self._second_sync()
        self._hour_later()
        self._trouble()
        self._day_later()
        self._prove()

    def _connect(self) -> None:
        self._announce("Two workspaces, three accounts of Meta and two of Google; the first sync fetches 90 days, newest first.")
        acme, tea = self._app.workspaces.create("Acme"), self._app.workspaces.create("Nippon Tea")
        self._app.workspaces.grant_realtime(acme.id)
        secrets = {_META: self._world["tokens"]["full"], _GOOGLE: self._world["google"]["refresh_tokens"]["full"]}
        for provider, plan_of_accounts in (
            (_META, ((acme.id, REALTIME, "realtime"), (tea.id, SECOND, "manual"), (acme.id, THIRD, "manual"))),
            (_GOOGLE, ((acme.id, SEARCH, "manual"), (tea.id, MIXED, "manual"))),
        ):
            secret = SecretStr(secrets[provider])
            reached = discover(self._app, provider, secret)
            for workspace, name, frequency in plan_of_accounts:
                chosen = replace(reached, accounts=[account for account in reached.accounts if account.name == name])
                self._add(workspace, provider, secret, chosen, frequency)
        self._until("the first syncs end", lambda: all(self._idle(view) for view in self._views()))
        fetched = sum(run.counts.fetched for figures in self._figures_by_name.values() for run in self._runs(figures.connection))
        self._check(fetched >= FEWEST_ROWS, f"{fetched} rows fetched, at least {FEWEST_ROWS} expected")
        self._note()

    def _add(self, workspace: str, provider: Provider, secret: SecretStr, chosen: DiscoveredAccounts, frequency: str) -> None:
        (view,) = connecting.connect(self._app, workspace, provider, secret, chosen, frequency)
        self._figures_by_name[view.connection.name] = Figures(connection=view.connection)

    def _second_sync(self) -> None:
        self._announce("A second sync of the whole lookback, the clock not moved: nothing is written.")
        before = self._written()
        for figures in self._figures_by_name.values():
            self._sync(figures.connection, force=True)
        self._second_sync_rows = self._written() - before
        self._check(self._second_sync_rows == 0, f"the second sync wrote {self._second_sync_rows} rows")

    def _hour_later(self) -> None:
        self._announce("One hour later: the realtime account is synced by its own schedule, the others on request.")
        realtime = self._figures_by_name[REALTIME].connection
        earlier_runs = {run.id for run in self._runs(realtime)}
        self._remote.advance(3600)
        self._until("the realtime account is synced again", lambda: bool(self._synced_since(realtime, earlier_runs)))
        # After a jump of an hour the account is overdue, and the sweep may request its sync before the schedule does. Once more it
        # becomes just due, which only the schedule serves.
        self._remote.advance(JUST_DUE_SECONDS)
        self._until("a scheduled run syncs the realtime account", lambda: self._scheduled_run(realtime, earlier_runs), SCHEDULE_SECONDS)
        for name in (SECOND, THIRD, SEARCH, MIXED):
            self._sync(self._figures_by_name[name].connection)
        self._until("everything is idle", lambda: all(self._idle(view) for view in self._views()))
        self._note()

    def _scheduled_run(self, connection: Connection, earlier_runs: set[str]) -> bool:
        """Whether a run that Prefect's scheduler created has synced the connection since the clock moved."""
        synced = self._synced_since(connection, earlier_runs)
        self._scheduled_run_seen |= any(orchestrator.is_scheduled(UUID(run.flow_run_id), Frequency.REALTIME) for run in synced)
        return self._scheduled_run_seen

    def _synced_since(self, connection: Connection, earlier_runs: set[str]) -> list[RunView]:
        """Syncs that succeeded and read something, without the earlier runs."""
        ended = [run for run in self._runs(connection) if run.id not in earlier_runs and run.state is RunState.DONE]
        return [run for run in ended if run.counts.fetched and run.flow_run_id]

    def _trouble(self) -> None:
        self._announce("Meta and Google throttle an account each, Meta no longer accepts the token of another; the others go on.")
        throttled, expired = [self._figures_by_name[name].connection for name in (SECOND, MIXED)], self._figures_by_name[THIRD].connection
        for connection in throttled:
            self._remote.fault("throttle", account=connection.external_id, minutes=10)
        self._remote.fault("expired_token", account=expired.external_id)
        for connection in (*throttled, expired):
            syncing.request_sync(self._app, connection.id)
        self._until(
            "every problem is shown",
            lambda: all(map(self._cooling, throttled)) and self._status(expired) is ConnectionStatus.NEEDS_REAUTH,
        )
        for name in (REALTIME, SEARCH):
            self._sync(self._figures_by_name[name].connection)
        self._remote.clear_faults()
        now = self._app.clock.now()
        for view in self._views():
            reason = presentation.describe_wait(view, now) or view.status_reason or ""
            typer.echo(f"    {view.connection.name}: {presentation.describe_state(view)} {reason}")
        self._note()

    def _day_later(self) -> None:
        self._announce("The day goes on, in steps of three hours: the lookback is read again, and only what changed is written.")
        going = [self._figures_by_name[name].connection for name in (REALTIME, SECOND, SEARCH, MIXED)]
        for _ in range(DAY_STEPS):
            self._remote.advance(86_400 // DAY_STEPS)
            tickets = [syncing.request_sync(self._app, connection.id) for connection in going]
            self._until("the four accounts are synced", partial(self._all_done, tickets, going))
            self._note()
        for name in (REALTIME, SECOND, SEARCH, MIXED):
            days = self._restated(self._figures_by_name[name].connection)
            typer.echo(f"    {name}: {len(days)} past days restated: {', '.join(days[:6])}{' …' if len(days) > 6 else ''}")  # noqa: PLR2004 - as many as fit a line
            self._check(bool(days), f"no restated day was found for {name}")

    def _restated(self, connection: Connection) -> list[str]:
        query = "SELECT DISTINCT date FROM restatements WHERE connection_id = ? ORDER BY date DESC"
        return [str(day) for day in read(self._published(connection), query, [connection.id]).column(0).to_pylist()]

    def _prove(self) -> None:
        self._announce("Every stored row is compared with the truth.")
        for figures in self._figures_by_name.values():
            reads = Reads(notes=tuple(figures.notes))
            published = self._published(figures.connection)
            figures.differences = Proof(published, figures.connection, self._remote, reads).differences()
            figures.differences += history_differences(published, figures.connection)
            self._check(
                not figures.differences, f"{figures.connection.name}: {len(figures.differences)} differences: {figures.differences[:3]}"
            )

    def show(self) -> None:
        """One table, and where to look."""
        columns = ("connection", "calls", "fetched", "inserted", "updated", "unchanged", "differences")
        names = ("name", "calls", "fetched", "inserted", "updated", "unchanged", "truth_differences")
        rows = [[str(figures[name]) for name in names] for figures in self.report()["connections"]]
        print_table(columns, rows, title="Against the truth")
        for workspace in self._app.workspaces.all():
            typer.echo(f"{workspace.name}: {self._app.settings.home / 'published' / workspace.id}.duckdb")

    def draw(self) -> None:
        """The course of the day that was just recorded, in the terminal and as a file."""
        now = self._app.clock.now()
        pictures = [
            CoursePicture(workspace=workspace.name, currency=day.currency, chart=chart)
            for workspace in self._app.workspaces.all()
            for day in today_of(self._app, workspace.id)
            if (chart := day_chart(day, now))
        ]
        self._check(bool(pictures), "no course of a day was recorded")
        for picture in pictures:
            typer.echo(f"\n{picture.text(blocks_for(sys.stdout.encoding))}")
        file = self._app.settings.home / "course.svg"
        file.write_text(svg(pictures))
        typer.echo(f"\nThe same as a picture, with the day before: {file}")

    def report(self) -> dict[str, Any]:
        """The figures, ready for JSON."""
        connections = []
        for figures in self._figures_by_name.values():
            runs = self._runs(figures.connection)
            counts = {name: sum(getattr(run.counts, name) for run in runs) for name in ("fetched", "inserted", "updated", "unchanged")}
            connections.append(
                {
                    "name": figures.connection.name,
                    "provider": figures.connection.provider,
                    "calls": sum(run.calls for run in runs),
                    **counts,
                    "truth_differences": len(figures.differences),
                }
            )
        return {
            "connections": connections,
            "second_sync_rows_written": self._second_sync_rows,
            "truth_differences": sum(entry["truth_differences"] for entry in connections),
            "scheduled_run_seen": self._scheduled_run_seen,
        }

    def verdict(self) -> None:
        """Report success.

        Raises:
            Unavailable: a check failed; the message lists all failed checks.
        """
        if self._broken:
            raise Unavailable("The demo failed:\n" + "\n".join(f"  - {failure}" for failure in self._broken))
        typer.secho("Every check passed: 0 differences, 0 rows written by the second sync, a scheduled run was seen.", fg="green")

    def _sync(self, connection: Connection, *, force: bool = False) -> RunView:
        ticket = syncing.request_sync(self._app, connection.id, force=force)
        ended = (RunState.DONE, RunState.FAILED, RunState.DEAD)
        self._until(f"{connection.name} is synced", lambda: self._app.runs.get(ticket.run_id).state in ended)
        run = self._app.runs.get(ticket.run_id)
        self._check(run.state is RunState.DONE, f"the sync of {connection.name} failed: {run.error}")
        return run

    def _all_done(self, tickets: list[Ticket], going: list[Connection]) -> bool:
        """Whether these syncs have ended and nothing else runs: what is noted then is what was read."""
        runs = [self._app.runs.get(ticket.run_id) for ticket in tickets]
        for run in runs:
            if run.state in (RunState.FAILED, RunState.DEAD):
                raise Unavailable(f"A sync failed: {run.error}")
        return all(run.state is RunState.DONE for run in runs) and all(self._idle(self._view(connection)) for connection in going)

    def _until(self, condition: str, holds: Callable[[], bool], seconds: float = STEP_SECONDS) -> None:
        start = time.monotonic()
        while not holds():
            if time.monotonic() - start > seconds:
                raise Unavailable(f"It took more than {seconds:.0f} s until {condition}; see {self._app.settings.home / 'logs'}.")
            time.sleep(_POLL_SECONDS)
        typer.echo(f"    {condition}: after {time.monotonic() - start:.1f} s")

    def _note(self) -> None:
        for figures in self._figures_by_name.values():
            figures.notes.append(self._app.partitions.ages(figures.connection.id))

    def _written(self) -> int:
        return sum(run.counts.written for figures in self._figures_by_name.values() for run in self._runs(figures.connection))

    def _runs(self, connection: Connection) -> list[RunView]:
        return self._app.runs.history(connection.id, limit=1000)

    def _views(self) -> list[ConnectionView]:
        return [self._view(figures.connection) for figures in self._figures_by_name.values()]

    def _view(self, connection: Connection) -> ConnectionView:
        return self._app.connections.get(connection.id)

    def _status(self, connection: Connection) -> ConnectionStatus:
        return self._view(connection).connection.status

    def _cooling(self, connection: Connection) -> bool:
        until = self._view(connection).cooldown_until
        return until is not None and until > self._app.clock.now()

    def _idle(self, view: ConnectionView) -> bool:
        if view.connection.status is not ConnectionStatus.ACTIVE:
            return True
        runs = self._runs(view.connection)
        return bool(runs) and all(run.state is RunState.DONE for run in runs)

    def _published(self, connection: Connection) -> Path:
        return self._app.settings.home / "published" / f"{connection.workspace_id}.duckdb"

    def _check(self, holds: bool, otherwise: str) -> None:  # noqa: FBT001 - reads as an assertion
        if not holds:
            self._broken.append(otherwise)
            typer.secho(f"    NOT so: {otherwise}", fg="red")

    @staticmethod
    def _announce(step: str) -> None:
        typer.secho(f"\n{step}", bold=True)
