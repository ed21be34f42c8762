"""Alerts that people choose instead of writing SQL: a template makes the sentence that is sent and a query, and is tried on what is stored.

A template's query is an alert's query like any other. It begins with ``accounts``: the chosen connections, each with its newest day that
was read and until when that is fresh. The back-test has a row for each day of the last thirty on which the alert would have begun for an
account. ROAS and CPA are judged by settled days alone.
A budget is of what is chosen where all of its accounts are; a back-test takes it to have been the same all the time.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING

from adpulse.errors import NotFound, Usage
from adpulse.services.named_connection import connection_named
from storage.warehouse.alert_query import run_query
from storage.warehouse.sql import literal

if TYPE_CHECKING:
    from storage.control.connections import Connections

DAYS = 30
"""Days that a back-test goes back; 28 where it reads the courses of days, which are kept for so long."""

_MOST = Decimal(10) ** 9
_ACCOUNTS = """
WITH accounts AS (
    SELECT c.id, c.name AS account, c.currency, max(r.date) AS today, max(r.fresh_until) AS fresh_until
    FROM connections c
    JOIN read_days r ON r.connection_id = c.id AND r.level = 'leaf'
    WHERE {chosen}
    GROUP BY ALL
)"""
_TODAY = """
SELECT a.account, a.currency, d.date, d.spend
FROM accounts a
JOIN account_day d ON d.connection_id = a.id AND d.date = a.today
WHERE d.spend > {bound}"""
_DAYS = """
SELECT d.date AS day, a.account
FROM accounts a
JOIN account_day d ON d.connection_id = a.id AND d.date > a.today - 30
WHERE d.spend > {bound}"""
_MONTH = """
SELECT a.account, a.currency, sum(d.spend) AS spend
FROM accounts a
JOIN account_day d ON d.connection_id = a.id AND d.date BETWEEN date_trunc('month', a.today)::DATE AND a.today
GROUP BY ALL
HAVING sum(d.spend) > {bound}"""
_MONTHS = """, sums AS (
    SELECT a.account, a.today, d.date, d.spend, sum(d.spend) OVER (PARTITION BY a.id, date_trunc('month', d.date) ORDER BY d.date) AS so_far
    FROM accounts a
    JOIN account_day d ON d.connection_id = a.id
)
SELECT date AS day, account FROM sums WHERE date > today - 30 AND so_far > {bound} AND so_far - spend <= {bound}"""
_BUDGETS = """, days AS (
    SELECT name, currency, period, date, running, spend, spent, amount
    FROM budget_day
    WHERE list_has_all((SELECT list(id) FROM accounts), connection_ids)
)"""
_EXCEEDED = """
SELECT name, currency, period, date, spent, amount FROM days WHERE running AND spent * 100 > {bound} * amount"""
_EXCESSES = """
SELECT date AS day, name AS account
FROM days
WHERE date > (SELECT max(today) FROM accounts) - 30 AND spent * 100 > {bound} * amount
AND (period = 'daily' OR (spent - spend) * 100 <= {bound} * amount)"""
_STEPS = """, steps AS (
    SELECT
        a.id, a.account, a.fresh_until, p.known_at,
        -- What is unknown may have grown, and is compared with nothing.
        p.{metric} IS NULL
        OR p.{metric} > coalesce(lag(p.{metric} IGNORE NULLS) OVER (PARTITION BY p.connection_id, p.date ORDER BY p.known_at), 0) AS grew
    FROM accounts a
    JOIN intraday_points p ON p.connection_id = a.id
)"""
_STOPPED = """
SELECT account, max(known_at) FILTER (grew) AS last_at
FROM steps
GROUP BY id, account, fresh_until
HAVING max(known_at) FILTER (grew) <= fresh_until - INTERVAL {bound} HOUR"""
_STOPS = """, grown AS (
    SELECT account, fresh_until, known_at, lead(known_at) OVER (PARTITION BY id ORDER BY known_at) AS next_at FROM steps WHERE grew
)
SELECT (known_at + INTERVAL {bound} HOUR)::DATE AS day, account
FROM grown
WHERE coalesce(next_at, fresh_until) >= known_at + INTERVAL {bound} HOUR"""
_SETTLED = """, settled AS (
    SELECT a.id, a.account, a.currency, d.date, d.spend, d.revenue, d.conversions, max(d.date) OVER (PARTITION BY a.id) AS newest
    FROM accounts a
    JOIN read_days r ON r.connection_id = a.id AND r.level = 'leaf' AND r.settled
    JOIN account_day d ON d.connection_id = a.id AND d.date = r.date
)"""
_ROAS = "spend > 0 AND revenue < {bound} * spend"
_CPA = """spend > {bound} * conversions
-- The cpa of account_day is null on such days, but also where there is no conversion.
AND (id, date) NOT IN (SELECT (connection_id, date) FROM daily WHERE conversions IS NULL AND spend <> 0)"""
_SILENT = """
SELECT a.account, max(p.known_at) AS last_at
FROM accounts a
JOIN intraday_points p ON p.connection_id = a.id
GROUP BY a.id, a.account
HAVING max(p.known_at) < now() - INTERVAL {bound} HOUR"""
_SILENCES = """, points AS (
    SELECT
        a.account, p.known_at,
        lead(p.known_at, 1, (SELECT max(fresh_until) FROM accounts)) OVER (PARTITION BY a.id ORDER BY p.known_at) AS next_at
    FROM accounts a
    JOIN intraday_points p ON p.connection_id = a.id
)
SELECT (known_at + INTERVAL {bound} HOUR)::DATE AS day, account FROM points WHERE next_at > known_at + INTERVAL {bound} HOUR"""
_RESTATED = """, restated AS (
    SELECT a.account, a.today, r.restated_on, r.date, sum(r.delta) * 0.000001 AS change, any_value(d.{metric}) AS after
    FROM accounts a
    JOIN restated_days r ON r.connection_id = a.id AND r.metric = '{metric}'
    JOIN account_day d ON d.connection_id = a.id AND d.date = r.date
    GROUP BY ALL
    HAVING abs(sum(r.delta) * 0.000001) * 100 > {bound} * abs(any_value(d.{metric}) - sum(r.delta) * 0.000001)
)"""
_DISAPPROVED = """
SELECT a.account, d.name, d.external_id, d.status
FROM accounts a
JOIN ads d ON d.connection_id = a.id
WHERE d.status = 'DISAPPROVED'"""
_DISAPPROVALS = """
SELECT e.changed_at::DATE AS day, a.account
FROM accounts a
JOIN entity_changes e ON e.connection_id = a.id AND e.level = 'ad' AND e.status = 'DISAPPROVED'
WHERE e.changed_at > a.fresh_until - INTERVAL 30 DAY"""


_BY_DAY = """SELECT day, string_agg(DISTINCT account, ', ' ORDER BY account) AS accounts
FROM (
{days}
)
GROUP BY day
ORDER BY day DESC"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A kind of alert: ``sentence`` and both queries have a place for ``{bound}``, whose unit is ``unit``; None where there is no bound."""

    title: str
    sentence: str
    unit: str | None
    query: str
    back_test: str
    whole: bool = False
    """Whether the bound is a whole number."""


def _stop(metric: str, title: str, sentence: str) -> Template:
    steps = _STEPS.replace("{metric}", metric)
    return Template(title=title, sentence=sentence, unit="hours", query=steps + _STOPPED, back_test=steps + _STOPS, whole=True)


def _settled(title: str, sentence: str, unit: str, condition: str) -> Template:
    newest = f"\nSELECT account, currency, date, spend, revenue, conversions FROM settled WHERE date = newest AND {condition}"
    days = f"\nSELECT date AS day, account FROM settled WHERE date > newest - 30 AND {condition}"
    return Template(title=title, sentence=sentence, unit=unit, query=_SETTLED + newest, back_test=_SETTLED + days)


def _restated(metric: str) -> Template:
    restated = _RESTATED.replace("{metric}", metric)
    return Template(
        title=f"A complete day's {metric} restated",
        sentence=f"the platform restates {metric} of a complete day of {{of}} by more than {{bound}} %",
        unit="percent",
        query=f"{restated}\nSELECT account, date, restated_on, change, after FROM restated WHERE restated_on >= today - 1",
        back_test=f"{restated}\nSELECT restated_on AS day, account FROM restated WHERE restated_on > today - 30",
    )


TEMPLATES: Mapping[str, Template] = {
    "daily-overspend": Template(
        title="A day's spend is above a budget",
        sentence="{of} spends more than {bound} in a day",
        unit="units of the account's currency",
        query=_TODAY,
        back_test=_DAYS,
    ),
    "monthly-overspend": Template(
        title="A month's spend is above a budget",
        sentence="{of} spends more than {bound} in a month",
        unit="units of the account's currency",
        query=_MONTH,
        back_test=_MONTHS,
    ),
    "budget-spent": Template(
        title="A budget is spent",
        sentence="more than {bound} % of a budget of {of} is spent",
        unit="percent of the budget",
        query=_BUDGETS + _EXCEEDED,
        back_test=_BUDGETS + _EXCESSES,
    ),
    "spend-stopped": _stop("spend", "Spend stopped", "{of} has spent nothing for {bound} hours"),
    "no-conversion": _stop("conversions", "No conversion", "{of} has had no conversion for {bound} hours"),
    "roas-below": _settled("ROAS is below a bound", "{of} has a ROAS below {bound} on a settled day", "revenue by spend", _ROAS),
    "cpa-above": _settled("CPA is above a bound", "{of} has a CPA above {bound} on a settled day", "units of the account's currency", _CPA),
    "silent": Template(
        title="An account is silent",
        sentence="nothing new was read of {of} for {bound} hours",
        unit="hours",
        query=_SILENT,
        back_test=_SILENCES,
        whole=True,
    ),
    "spend-restated": _restated("spend"),
    "conversions-restated": _restated("conversions"),
    "revenue-restated": _restated("revenue"),
    "ad-disapproved": Template(
        title="An ad is disapproved",
        sentence="an ad of {of} is disapproved",
        unit=None,
        query=_DISAPPROVED,
        back_test=_DISAPPROVALS,
    ),
}
"""The templates by the names that the command line and the API have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FilledTemplate:
    """An alert that is not created yet: its name is the sentence that is sent."""

    name: str
    query: str
    back_test: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BackTest:
    """The days of the last thirty on which an alert would have begun, newest first, each with the accounts."""

    days: tuple[tuple[str, str], ...]

    @property
    def words(self) -> str:
        """As a sentence."""
        count = len(self.days)
        return f"It would have told you on {count} of the last {DAYS} days." if count else f"It would not have told you in {DAYS} days."


def fill(
    connections: "Connections", workspace_id: str, template: str, *, bound: str = "", label: str = "", connection: str = ""
) -> FilledTemplate:
    """An alert made of a template, of all accounts of the workspace, those with a label, or one connection (id or name).

    Raises:
        Usage: there is no such template, its bound is missing or no number, both a label and a connection are given, or several
            connections have the name.
        NotFound: the workspace has no such connection, or no connection with the label.
    """
    of, condition = _target(connections, workspace_id, label.strip(), connection.strip())
    return filled(template, bound, of, condition)


def filled(template: str, bound: str, of: str = "an account", condition: str = "true") -> FilledTemplate:
    """An alert made of a template; ``of`` names the accounts, ``condition`` chooses them among ``connections c``.

    Raises:
        Usage: there is no such template, or its bound is missing or no number.
    """
    chosen = TEMPLATES.get(template)
    if chosen is None:
        raise Usage(f"There is no template '{template}'. Choose one of: {', '.join(TEMPLATES)}.")
    number = _bound(bound, chosen) if chosen.unit else ""
    accounts = _ACCOUNTS.replace("{chosen}", condition).strip()
    query, tested = (accounts + text.replace("{bound}", number) for text in (chosen.query, chosen.back_test))
    words = chosen.sentence.replace("{bound}", number).replace("{of}", of)
    return FilledTemplate(name=f"{words[0].upper()}{words[1:]}", query=query, back_test=_BY_DAY.replace("{days}", tested))


def back_test(published: Path, alert: FilledTemplate) -> BackTest:
    """On which days it would have begun, by what was published last.

    Raises:
        Usage: nothing was published yet, or it takes too long.
        Unavailable: the machine is too busy to begin.
    """
    answer = run_query(published, alert.back_test)
    return BackTest(days=tuple((str(day), str(accounts)) for day, accounts in answer.rows[:DAYS]))


def _target(connections: "Connections", workspace_id: str, label: str, connection: str) -> tuple[str, str]:
    """The accounts in words and as a condition on ``connections c``."""
    if label and connection:
        raise Usage("An alert is of a label or of a connection, not of both.")
    views = connections.all(workspace_id)
    if label:
        if not any(label in view.labels for view in views):
            raise NotFound(f"No connection has the label '{label}'.")
        return f"an account labelled {label}", f"list_contains(c.labels, {literal(label)})"
    if connection:
        chosen = connection_named(views, connection).connection
        return chosen.name[:100], f"c.id = {literal(chosen.id)}"
    return "an account", "true"


def _bound(text: str, template: Template) -> str:
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        raise Usage(f"'{text}' is no number; this alert needs one, in {template.unit}.") from None
    if not number.is_finite() or not 0 < number < _MOST or (template.whole and number != int(number)):
        raise Usage(f"'{text}' is not a bound: it is a {'whole ' if template.whole else ''}number above 0, in {template.unit}.")
    return f"{int(number)}" if template.whole else f"{number:f}"
