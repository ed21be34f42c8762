"""Compares what was fetched with what is stored. Step: diff."""

import asyncio
from dataclasses import replace
from decimal import Decimal
from functools import partial

from adpulse.bootstrap import App, app
from adpulse.fetch_result import FetchResult
from adpulse.metric_rows import with_profit
from adpulse.model import Connection, FetchKind, Lease
from adpulse.planner.completeness import gaps_of_parts, read_days
from adpulse.platforms.registry import mapping_of, platform_of
from storage.warehouse.batches import RunChanges, RunFetch
from tasks.batch import Batch, Outcome, apply_together, attempt, for_each_lease
from tasks.change_check import checked
from tasks.check_answers import without_checks
from tasks.parts_read import parts_read
from tasks.refused import gaps_after
from tasks.restatements import restatements_shown


async def diff_metrics(batch: Batch) -> list[Outcome]:
    """Stage the changes of the whole batch from one join; the outcomes say which runs have something to write."""
    return await asyncio.to_thread(stage_changes, batch)


def stage_changes(batch: Batch) -> list[Outcome]:
    """Write each run's changes beside what it fetched. A run whose answers are damaged, or cannot be compared, fails alone."""
    context = app()
    leases, fetched, changes = dict[str, Lease](), dict[str, RunFetch](), dict[str, RunChanges]()

    def gather(lease: Lease) -> None:
        leases[lease.run_id], fetched[lease.run_id] = lease, _fetched(context, lease)

    def compare(runs: list[RunFetch]) -> None:
        changes.update({run_changes.run_id: run_changes for run_changes in context.warehouse(batch.workspace_id).diff(runs)})

    outcomes = for_each_lease(batch, gather) | apply_together(fetched, compare)
    for run_id, run_changes in changes.items():
        staged = attempt(run_id, partial(_stage, context, leases[run_id], run_changes))
        outcomes[run_id] = replace(staged, changed=not (staged.error or run_changes.empty))
    return list(outcomes.values())


def _stage(context: App, lease: Lease, changes: RunChanges) -> None:
    context.staging.write_changes(changes)
    if changes.empty:
        context.runs.applied(lease)  # the warehouse has these values already


def _fetched(context: App, lease: Lease) -> RunFetch:
    plan = context.staging.plan(lease.run_id)
    if plan and all(context.staging.has(lease.run_id, fetch) for fetch in plan.fetches):
        context.runs.fetched(lease)
    staged = context.staging.read(lease.run_id)
    fetched, check = without_checks(staged), checked(context, lease, staged)
    stored = context.partitions.ages(lease.connection.id)
    ages = stored.after(answer.complete for answer in fetched).after_parts(parts_read(fetched))
    if check and check.checked_at:
        ages = replace(ages, checked={check.day: check.checked_at})
    ages = ages.after_restatements(
        {day: check.checked_at if check else None for day, check in restatements_shown(context, lease, staged).items()}
    )
    gaps = [*gaps_after(context.holes, context.refused_rows, lease.connection.id, fetched), *gaps_of_parts(ages)]
    return RunFetch(
        run_id=lease.run_id,
        generation=lease.generation,
        connection_id=lease.connection.id,
        provider=lease.connection.provider,
        now=context.clock.now(),
        gross_margin=lease.connection.gross_margin,
        left_out=lease.connection.filters.left_out,
        fetched=[_with_current_margin(answer, lease.connection.gross_margin) for answer in fetched],
        read_days=read_days(context.clock.now(), lease.connection, ages, gaps),
        gaps=gaps,
        timezone=lease.connection.timezone,
        conversions_by_kind=_counts_by_kind(lease.connection),
        conversions_may_be_unknown=mapping_of(lease.connection).counts_results,
        remapped=stored.days_read_until(lease.connection.mapping_since),
    )


def _counts_by_kind(connection: Connection) -> bool:
    """Whether conversions come with their kinds, in a separate answer, as the mapping counts others than the platform's own total."""
    return FetchKind.CATEGORIES in platform_of(connection.provider).metric_kinds and not mapping_of(connection).counts_own_conversions


def _with_current_margin(answer: FetchResult, gross_margin: Decimal) -> FetchResult:
    """The rows with the profit of today's margin, which may have changed since they were read."""
    return replace(answer, table=with_profit(answer.table, gross_margin)) if answer.fetch.kind.has_dates else answer
