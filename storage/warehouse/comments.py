"""What every table, view, macro and column of a warehouse file means, stored in the file as its comments.

The text of a relation is the SQL comment above its statement; those of columns are here, and those of metrics with the metrics.
"""

import re
from collections.abc import Iterator, Mapping
from hashlib import sha256

import duckdb

from adpulse.metrics import METRICS, Unit
from storage.warehouse.sql import literal, migrations, query

_DESCRIBED = re.compile(r"((?:^--.*\n)+)CREATE (?:OR REPLACE )?(?:TABLE|VIEW|MACRO) (\w+)", re.MULTILINE)
"""A comment directly above what it describes."""

_OWN_COLUMNS = """
SELECT schema_name, table_name, column_name
FROM duckdb_columns()
WHERE NOT internal AND database_name = current_database()
ORDER BY ALL
"""

_OF_SCHEMA: Mapping[str, str] = {
    "schema_version": "The versions of the schema that the file went through.",
    "schema_views": "Hashes of the texts that the views and the comments were created from.",
}

_COLUMNS: Mapping[str, str] = {
    "after": "The value after the change: units of the connection's currency, or a count",
    "age_days": "Full days of the account from the day to the change, in its time zone; 0 is the day itself",
    "ad_set": "Name of the ad set or ad group",
    "ad_set_id": "The platform's id of the ad set or ad group; null for asset groups and for what is not reported at ad level",
    "applied_at": "When it was written, UTC",
    "attribution": "default, the platform's own (Meta: each ad set's setting; Google: the day of the click); windows of Meta, added up; or "
    "conversion_date (Google), the day of the conversion",
    "attributes": "What else the platform reports of the entity, as JSON with sorted keys, in the platform's own names and units",
    "before": "The value before the change: units of the connection's currency, or a count; null where there was none",
    "campaign": "Name of the campaign",
    "budget_id": "adpulse's id of the budget",
    "campaign_id": "The platform's id of the campaign; null or empty for what belongs to no campaign",
    "cause": "Why the row was written: platform, margin, vanished, first read, unknown, mapping, or baseline",
    "changed": "The bits of the metrics that differ from the row before, as declared in adpulse/metrics.py",
    "changed_at": "When the sync that found the last change wrote it, UTC",
    "complete_at": "When the day was first read whole, at least 3 hours after it ended in the account's time zone, UTC; null until then",
    "complete_through": "Up to this day, in the account's time zone, nothing is missing and no row was refused",
    "comments_sha256": "Hash of the comments' texts; null until the file is published",
    "connection": "Name of the account",
    "cpa": "Spend by conversions, in the connection's currency; null without conversions, or where those of any spend are unknown",
    "connection_id": "adpulse's id of the connected account",
    "connection_ids": "adpulse's ids of the connections that it is of",
    "conversions_complete_at": "As complete_at, for metrics that count conversions: with Google at least 15 hours after the day ended, UTC",
    "created_at": "When it was created, UTC, where the platform reports it (Meta); null otherwise",
    "creative_id": "The platform's id of the creative (Meta)",
    "currency": "The account's currency, ISO 4217; all amounts of the row are in it",
    "daily_budget": "Budget a day, in units of the connection's currency; null where there is none at this level",
    "date": "The account's day, in the account's time zone",
    "days": "How many days it is computed from",
    "definition": "The mapping, as the options of adpulse mapping write it",
    "deleted": "How many entities are known to be deleted that may explain the remainder",
    "delta": "By how much the value changed: units of the connection's currency, or a count",
    "entities_changed": "Entities whose row the sync wrote",
    "entity_level": "Level of the entity whose row was refused; null when a whole read is missing",
    "expected": "The spend that the day will end at if its rest goes as a week before, in the connection's currency; an estimate",
    "external_id": "The platform's id",
    "fetched": "Rows that the platform returned",
    "first_at": "Since when it is missing, UTC",
    "first_delivery": "First day with impressions or spend that is stored, in the account's time zone",
    "first_seen_at": "When the row was stored first, UTC",
    "frequency": "How often the connection is synced, as chosen; as of the publication",
    "fresh_until": "The numbers are those that the platform reported at this instant, or later ones, UTC; today's leaves of a campaign "
    "whose totals were the same then may have been read up to an hour before",
    "generation": "Which of the connection's claims wrote it; orders changes of the same instant",
    "gross_margin": "The share of revenue from which profit is computed, 0 to 1",
    "high": "Nine of ten days end below it; an estimate",
    "hole": "Whether the day was never read completely",
    "id": "adpulse's id of the connection",
    "inserted": "Rows of metrics that were new",
    "kind": "first, unknown, completion, restatement, margin, mapping, vanished, or baseline",
    "known_at": "The sums are those that the platform reported at this instant, UTC: fresh_until of the day at that time",
    "labels": "The connection's labels; as of the publication",
    "lacks": "What of the day could not be read, with the reasons; null if nothing is missing",
    "last_delivery": "Last day with impressions or spend, in the account's time zone",
    "leafless": "The part of the remainder of campaigns without anything below them that reports, in units of the metric",
    "level": "What the row is about: ad, asset_group, campaign, account, or unreported, what no ad or campaign is reported for",
    "lifetime_budget": "Budget of its whole life, in units of the connection's currency; null where there is none at this level",
    "link": "Where the ad leads to, where the platform reports it",
    "low": "Nine of ten days end above it; an estimate",
    "mapping": "What counts as its conversions, the mapping's name; as of the last write",
    "mapping_since": "When somebody chose the mapping, UTC; null if nobody did",
    "metric": "Name of the metric",
    "name": "Name, as the platform reports it",
    "objective": "The objective (Meta), the optimisation goal (Meta's ad sets), or the channel or type (Google), in the platform's words",
    "ours": "The sum of what is stored below, in units of the metric",
    "parent_id": "The platform's id of the entity above; null for campaigns",
    "per_euro": "Units of the currency for one euro",
    "period": "daily or monthly",
    "platform": "The platform's own total, in units of the metric",
    "provider": "The platform: meta or google",
    "rate_date": "The day of the exchange rate, at most 5 days before",
    "read": "Which read is missing or refused a row",
    "reason": "Why it is missing",
    "restated_on": "The account's day on which the platform changed it, in the account's time zone",
    "reconciled_at": "When the totals were compared, UTC",
    "remainder": "What the platform's total holds beyond what is stored below it, in units of the metric; spend where none is named",
    "remainder_share": "The remainder as a share of the platform's total",
    "run_id": "The sync that wrote it",
    "seen_at": "When the name came with numbers, UTC",
    "settled": "Whether the day was read after the platform's lookback window had ended: its numbers do not change any more",
    "share": "A part of one whole; null where the whole is zero",
    "since": "When numbers were first read by this mapping, UTC",
    "spent": "Spend of the period up to the end of the day, in units of the budget's currency",
    "spend_week_before": "Spend of the same weekday a week before, in the connection's currency",
    "spend_week_before_so_far": "Spend of that day up to the same time of the account's day; null where it was not followed that closely",
    "state": "The status in one vocabulary for all platforms: active, paused, archived, deleted, or other",
    "status": "The platform's own status; Meta's is the effective one, which follows the parents'",
    "text_sha256": "Hash of the views' text",
    "timezone": "The account's time zone, IANA; all dates of the connection are days in it",
    "type": "The platform's type of the ad (Google)",
    "unknown_conversions": "Ads of the day whose conversions are unknown, as their results do not add up; 0 for campaigns' totals",
    "unchanged": "Rows of metrics that were as stored",
    "updated": "Rows of metrics that changed",
    "value": "The value so far: units of the connection's currency, or a count",
    "version": "Number of the schema's version",
}

_OF_RELATION: Mapping[tuple[str, str], str] = {
    ("connections", "external_id"): "The platform's id of the account",
    ("connections", "name"): "Its name, the platform's unless somebody gave it another; as of the publication",
    ("connections", "status"): "active, or why it is not synced: paused, needs_reauth, needs_permission, needs_login, blocked, disabled, "
    "currency_changed, version_sunset, disconnected or deleting; as of the publication",
    ("connections", "paused"): "Whether somebody paused it: its numbers do not go on until it is resumed; as of the publication",
    ("conversion_lag", "age_days"): "Up to this age of the day, in full days of the account",
    ("conversion_lag", "share"): "The share of the final value that was seen up to this age",
    **dict.fromkeys(
        (("restated_days", "delta"), ("followed_days", "delta")),
        "By how much the value changed: a count, or millionths of the currency or of a conversion",
    ),
    ("expected_final", "expected"): "What the value is expected to end at: units of the connection's currency, or a count; an estimate",
    ("expected_final", "days"): "How many followed days it is computed from",
    ("expected_final", "level"): "account or campaign",
    **dict.fromkeys((("fx", "currency"), ("fx_rates", "currency")), "The currency that the rate is of, ISO 4217"),
    ("fx", "rate_date"): "The day of the exchange rate, at most 5 days before; of EUR itself the same day",
    ("fx", "date"): "The day on which the rate counts",
    ("fx_rates", "date"): "The day of the rate",
    ("budgets", "id"): "adpulse's id of the budget",
    ("budgets", "connection_id"): "adpulse's id of the connection that it is of; null where it is of a label",
    ("budgets", "label"): "The label of the connections that it is of; empty where it is of one connection",
    ("budgets", "campaign_id"): "The platform's id of the campaign that it is of; empty where it is of all of them",
    ("budgets", "amount"): "The budget, in millionths of its currency",
    **dict.fromkeys((("budgets", "currency"), ("budget_day", "currency")), "The currency of the budget, ISO 4217"),
    ("budget_day", "name"): "What it is of: the label, the account, or the campaign and its account",
    ("budget_day", "label"): "The label of the connections that it is of; null where it is of one connection",
    ("budget_day", "campaign_id"): "The platform's id of the campaign that it is of; null where it is of all of them",
    ("budget_day", "amount"): "The budget, in units of its currency",
    ("budget_day", "spend"): "Spend of the day, in units of the budget's currency",
    ("budget_day", "share"): "The part of the budget that is spent; 1 is all of it",
    ("budget_day", "running"): "Whether it is, or may be, the running day of one of its accounts",
    ("pacing", "spend"): "Spend of the day so far, in units of the connection's currency",
    ("campaigns", "campaign"): "Name of the campaign; null where only its id is known",
    ("read_days", "level"): "leaf (ads and asset groups) or campaign (campaigns' totals)",
    ("completeness", "level"): "leaf (ads and asset groups) or campaign (campaigns' totals)",
    ("day_gaps", "level"): "leaf (ads and asset groups) or campaign (campaigns' totals)",
    ("reconciliation", "level"): "campaign: ads against their campaigns' totals; account: campaigns against the account's total",
    ("reconciled_days", "level"): "campaign: ads against their campaigns' totals; account: campaigns against the account's total",
    ("total_changes", "level"): "campaign or account (totals), unreported or not_by_campaign (remainders)",
    **dict.fromkeys(
        ((table, "level") for table in ("entities", "entity_changes", "known_entities", "seen_names")),
        "campaign, adset, ad_group, ad or asset_group",
    ),
}


def relations() -> dict[str, str]:
    """The text of each table, view and macro."""
    texts = [*(text for _, text in migrations()), query("views")]
    matches = [match for text in texts for match in _DESCRIBED.findall(text)]
    described = {name: " ".join(comment.replace("\n-- ", " ").removeprefix("-- ").split()) for comment, name in matches}
    return {**described, **_OF_SCHEMA}


def of_column(relation: str, column: str, *, in_units: bool) -> str:
    """The text of a column.

    Args:
        relation: the table or view.
        column: its column.
        in_units: whether its metrics are in units, as those of views are; those of tables are counts and micros.
    """
    own = _OF_RELATION.get((relation, column))
    if own or column not in METRICS:
        return own or _COLUMNS.get(column, "")
    metric = METRICS[column]
    if metric.unit is Unit.COUNT:
        unit = "a count"
    elif in_units:
        unit = "units of the connection's currency" if metric.money else "a number, which may be a fraction"
    else:
        unit = "millionths of the connection's currency" if metric.money else "millionths of a conversion"
    unknown = "; null where it is not known, which is not zero" if metric.unknowable else ""
    return f"{metric.description}: {unit}{unknown}"


def statements(warehouse: duckdb.DuckDBPyConnection) -> Iterator[str]:
    """What stores the texts in an open file, for everything that it has."""
    views = {("main", name) for (name,) in warehouse.sql("SELECT view_name FROM duckdb_views() WHERE NOT internal").fetchall()}
    texts = relations()
    columns = warehouse.sql(_OWN_COLUMNS).fetchall()
    for schema, relation in sorted({(schema, relation) for schema, relation, _ in columns}):
        kind = "VIEW" if (schema, relation) in views else "TABLE"
        yield f"COMMENT ON {kind} {schema}.{relation} IS {literal(texts.get(relation, ''))}"
    for schema, relation, column in columns:
        text = of_column(relation, column, in_units=(schema, relation) in views)
        yield f"COMMENT ON COLUMN {schema}.{relation}.{column} IS {literal(text)}"
    for name in macros():
        yield f"COMMENT ON MACRO TABLE {name} IS {literal(texts[name])}"


def fingerprint() -> str:
    """A hash of all texts: with another one the comments of a file are old."""
    return sha256(repr((relations(), _COLUMNS, _OF_RELATION, list(METRICS.values()))).encode()).hexdigest()


def macros() -> list[str]:
    """The names of the macros."""
    return re.findall(r"^CREATE OR REPLACE MACRO (\w+)", query("views"), re.MULTILINE)
