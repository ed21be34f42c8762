"""Spend by conversions, where those of some spend are not known, and metrics that are known again."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from columns import ADDITIVE, REST, VALUE, Look, in_units
from columns_of_remainders import FIRST, of_all, on_days, plus, times, without

from adpulse.budgets import Budget, Period
from adpulse.metrics import METRICS
from adpulse.workspace_description import WorkspaceDescription
from storage.warehouse.warehouse import Warehouse

SHOWN, SPENT = FIRST - timedelta(days=30), FIRST - timedelta(days=29)
"""A day on which a campaign was shown oftener than its ad, and one on which it spent more; neither says its conversions."""

BUDGET = Budget(
    id="b", workspace_id="", connection_id="c1", label="", campaign_id="more", currency="USD", period=Period.DAILY, amount=1_000_000
)
DAYS = {name: FIRST - timedelta(days=28 - number) for number, name in enumerate(ADDITIVE)}
AFTER = dict(zip(ADDITIVE, [*ADDITIVE[1:], *ADDITIVE[:1]], strict=True))
Ask = Callable[[str], list[tuple[Any, ...]]]


def costs(workspace: Any, build: Any) -> Iterator[Look]:
    """Campaigns of which conversions are not known; and on a day of each metric one that has it, in the next read, for the first time.

    In that read it lacks the metric after it, which it had before.
    """
    span = {"since": SHOWN, "until": max(DAYS.values())}
    leaves = [{"date": day, **VALUE, "external_id": name, "campaign_id": name} for name in ("plain", "more") for day in (SHOWN, SPENT)]
    totals = [{"date": day, **VALUE, "external_id": "plain", "campaign_id": "plain"} for day in (SHOWN, SPENT)]
    totals += [
        {"date": day, **without(plus(VALUE, name, REST[name]), "conversions"), "external_id": "more", "campaign_id": "more"}
        for day, name in ((SHOWN, "impressions"), (SPENT, "spend"))
    ]
    totals += on_days(DAYS, lambda name: without(REST, name), external_id="bare", campaign_id="bare")
    workspace.sync(build.noted(build.ads(*leaves, **span), build.totals(*totals, **span)))
    again = {"since": min(DAYS.values()), "until": max(DAYS.values())}
    rows = on_days(DAYS, lambda name: without(times(REST, 2), AFTER[name]), external_id="bare", campaign_id="bare")
    workspace.sync(build.run(build.totals(*rows, **again), generation=2))
    Warehouse(workspace.path, workspace.published, describe=lambda: WorkspaceDescription(budgets=(BUDGET,))).describe()
    with workspace.reading() as ask:
        yield from cost_views(ask)


def cost_views(ask: Ask) -> Iterator[Look]:
    """The views of what ``costs`` left."""
    known = round(VALUE["spend"] / VALUE["conversions"], 6)
    of_campaigns = ask(f"SELECT date, campaign_id, round(cpa, 6) FROM campaign_day WHERE date <= '{SPENT}' ORDER BY ALL")
    expected = [(SHOWN, "more", known), (SHOWN, "plain", known), (SPENT, "more", None), (SPENT, "plain", known)]
    yield "cpa of campaigns", dict.fromkeys(METRICS, of_campaigns), dict.fromkeys(METRICS, expected)
    of_account = ask(f"SELECT date, round(cpa, 6) FROM account_day WHERE date <= '{SPENT}' ORDER BY ALL")
    expected = [(SHOWN, known), (SPENT, None)]
    yield "cpa of the account", dict.fromkeys(METRICS, of_account), dict.fromkeys(METRICS, expected)
    of_budget = ask(f"SELECT date, spend FROM budget_day WHERE date <= '{SPENT}' ORDER BY ALL")
    shown, spent = (spend for row in (VALUE, plus(VALUE, "spend", REST["spend"])) for spend in in_units({"spend": row["spend"]}))
    expected = [(SHOWN, shown), (SPENT, spent)]
    yield "spend of a budget", dict.fromkeys(METRICS, of_budget), dict.fromkeys(METRICS, expected)
    kinds = ask("SELECT date, metric, kind FROM changes WHERE level = 'unreported' AND campaign_id = 'bare' ORDER BY changed_at")
    of_days = {name: [kind for on, metric, kind in kinds if (on, metric) == (day, name)] for name, day in DAYS.items()}
    yield "known for the first time", of_all(of_days), of_all({name: ["first"] for name in ADDITIVE})
