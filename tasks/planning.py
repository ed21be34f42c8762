"""Plans a leased sync and stages the plan. Step: plan."""

import logging
from dataclasses import replace

from adpulse.bootstrap import App
from adpulse.errors import (
    Permanent,
)
from adpulse.fetch_result import FetchResult
from adpulse.model import CHECKS, Fetch, FetchKind, Heat, Lease
from adpulse.planner.account import Account
from adpulse.planner.day_parts import USUAL_LEAVES
from adpulse.planner.plan import Plan, plan
from storage.control.unsettled import suspected
from storage.staging import Staging
from tasks.parts_read import parts_read

log = logging.getLogger(__name__)

_READ_ANEW = (FetchKind.ENTITIES_CONFIRMED, FetchKind.ACCOUNT, *CHECKS)


def prepare(app: App, lease: Lease) -> Plan:
    """Plan the sync and stage the plan, so that a retried step does the same reads.

    Answers of a leg whose worker died are not read again, unless today's numbers grew too old meanwhile.

    Raises:
        WarehouseDamaged: the warehouse is marked as damaged; no call is spent on answers that could not be stored.
        WarehouseElsewhere: another home has the warehouse.
        Permanent: the connection is suspected of killing workers.
    """
    if error := suspected(lease):
        raise error
    app.homes.require(lease.connection.workspace_id, claim=True)
    app.warehouse(lease.connection.workspace_id).require_sound()
    adopted = _adopted_answers(app.staging, lease)
    ages = app.partitions.ages_to_plan_by(lease.connection.id).after(answer.complete for answer in adopted)
    ages = ages.after_parts(parts_read(adopted))
    result = plan(app.clock.now(), _account(app, lease), ages, app.ledger.calls(lease.connection.ledger_key))
    app.day_parts.begin(lease, result.drawn)
    planned = {fetch.request_key for fetch in result.fetches}
    for fetch in (answer.fetch for answer in adopted):
        if fetch.request_key not in planned:
            result = replace(result, fetches=(fetch, *result.fetches))
        elif fetch.heat is Heat.HOT:
            app.staging.drop(lease.run_id, fetch)
    app.staging.save_plan(lease.run_id, lease.generation, result)
    return result


def _account(app: App, lease: Lease) -> Account:
    """The input of the plan; where days are read in parts, with what their parts are drawn by."""
    account = app.account(lease)
    if not account.is_large:
        return account
    leaves = app.warehouse(lease.connection.workspace_id).leaves_by_campaign(lease.connection.id)
    known = [count for count in leaves.values() if count]
    usual = -(-sum(known) // len(known)) if known else USUAL_LEAVES
    return replace(account, leaves={campaign: count or usual for campaign, count in leaves.items()})


def _adopted_answers(staging: Staging, lease: Lease) -> list[FetchResult]:
    """The usable answers of an earlier leg whose worker died, if there is one; the others are removed."""
    try:
        generation = staging.planned_generation(lease.run_id)
        if generation is not None and generation > lease.settled_generation:
            answers = staging.read(lease.run_id)
            unusable = _unusable(staging, lease, answers)
            for fetch in unusable:
                staging.drop(lease.run_id, fetch)
            log.info("run %s goes on where generation %s was left", lease.run_id, generation)
            return [answer for answer in answers if answer.fetch not in unusable]
    except Permanent as error:
        log.warning("run %s is read anew: %s", lease.run_id, error)
    staging.remove(lease.run_id)
    return []


def _unusable(staging: Staging, lease: Lease, answers: list[FetchResult]) -> list[Fetch]:
    """Today's rows whose campaign totals were not read: a remainder needs both of one time. And what is read with other reads of a leg.

    And numbers that were counted by an earlier mapping.
    """
    stored_plan = staging.plan(lease.run_id)
    missing = [fetch for fetch in stored_plan.fetches if not staging.has(lease.run_id, fetch)] if stored_plan else []
    torn = any(fetch.kind is FetchKind.CAMPAIGNS and fetch.heat is Heat.HOT and fetch.campaigns.is_whole for fetch in missing)
    fetches, whole_parts = [answer.fetch for answer in answers], parts_read(answers)
    since = lease.connection.mapping_since
    outdated = [answer.fetch for answer in answers if since and answer.fetch.kind.has_dates and answer.fetched_at <= since]

    def is_unusable(fetch: Fetch) -> bool:
        if fetch in outdated:
            return True
        if fetch.kind.has_dates and not fetch.campaigns.is_whole:
            return not all((day, fetch.campaigns) in whole_parts for day in fetch.days)
        return fetch.kind in _READ_ANEW or (torn and _is_todays_leaves(fetch))

    return [fetch for fetch in fetches if is_unusable(fetch)]


def _is_todays_leaves(fetch: Fetch) -> bool:
    return fetch.kind in (FetchKind.ADS, FetchKind.CATEGORIES) and fetch.heat is Heat.HOT
