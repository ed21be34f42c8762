"""What the wire answers of the accounts that differ from the standard ones; only the token ``varied`` reaches them."""

import json
from datetime import date, timedelta

import pytest

from adpulse_sandbox.meta.specs import VARIED

TODAY, DAY = date(2026, 3, 20), timedelta(days=1)
LAST_WEEKS = {"since": str(TODAY - 40 * DAY), "until": str(TODAY)}
WITH_DELETED = [
    {
        "field": "ad.effective_status",
        "operator": "IN",
        "value": ["ACTIVE", "PAUSED", "CAMPAIGN_PAUSED", "ADSET_PAUSED", "ARCHIVED", "DELETED"],
    }
]
FIELDS = "ad_id,spend,impressions,clicks,actions,action_values"
BY_NAME = {spec.name: spec for spec in VARIED}
DEFINED = ("purchase", "omni_purchase", "offsite_conversion.fb_pixel_purchase", "lead", "onsite_conversion.lead_grouped")


def rows(ask, world, name, **params):
    asked = {"level": "ad", "fields": FIELDS, "time_range": LAST_WEEKS, "time_increment": "1", "limit": "500"} | params
    return ask.rows(f"act_{world.account(name).id}/insights", token="varied", **asked)


def numbers(row, field="actions"):
    return {action["action_type"]: action["value"] for action in row.get(field, ())}


def types(reported, field="actions"):
    return {kind for row in reported for kind in numbers(row, field)}


@pytest.mark.parametrize("name", [spec.name for spec in VARIED if spec.purchase_types])
def test_purchases_are_reported_under_the_accounts_types_and_no_other(ask, standing, name):
    reported = rows(ask, standing.world, name)

    expected = set(BY_NAME[name].purchase_types)
    assert {kind for kind in types(reported) if "purchase" in kind} == expected
    assert types(reported, "action_values") == expected


@pytest.mark.parametrize("name", [spec.name for spec in VARIED if spec.lives_from])
def test_what_an_account_lives_from_is_answered_and_only_leads_are_a_metric_of_it(ask, standing, name):
    reported = rows(ask, standing.world, name)

    assert {kind for kind, _ in BY_NAME[name].lives_from} <= types(reported)
    assert types(reported) & set(DEFINED) == set(BY_NAME[name].lead_types) & set(DEFINED)
    assert "action_values" not in json.dumps(reported) or BY_NAME[name].sends_zeros


def test_results_of_reach_are_people_without_windows_and_engagement_has_two_kinds(ask, standing):
    reported = rows(ask, standing.world, "Ferry Line", fields="ad_id,objective,reach,results,cost_per_result")
    by_objective = {}
    for row in reported:
        by_objective.setdefault(row["objective"], []).append(row)

    kinds = {objective: [result["indicator"] for result in rows[0]["results"]] for objective, rows in by_objective.items()}
    assert kinds == {
        "OUTCOME_LEADS": ["actions:lead"],
        "OUTCOME_AWARENESS": ["reach"],
        "OUTCOME_ENGAGEMENT": ["actions:link_click", "reach"],
    }
    reached = [row for row in by_objective["OUTCOME_AWARENESS"] if "reach" in row]
    assert [row["results"] for row in reached] == [[{"indicator": "reach", "values": [{"value": row["reach"]}]}] for row in reached] != []
    assert {len(row["cost_per_result"]) for row in by_objective["OUTCOME_ENGAGEMENT"]} == {2}


@pytest.mark.parametrize("name", [spec.name for spec in VARIED if spec.lives_from and not spec.lead_types])
def test_the_results_of_an_account_are_what_it_lives_from(ask, standing, name):
    kind = BY_NAME[name].lives_from[0][0]

    for row in rows(ask, standing.world, name, fields="ad_id,actions,results"):
        (result,) = row["results"]
        counted = [value["value"] for value in result.get("values", ())]
        assert (result["indicator"], *(counted or ["0"])) == (f"actions:{kind}", numbers(row).get(kind, "0"))


@pytest.mark.parametrize("spec", VARIED, ids=lambda spec: spec.name)
def test_a_zero_is_sent_by_some_accounts_and_absent_in_others(ask, standing, spec):
    reported = rows(ask, standing.world, spec.name)

    values = {value for row in reported for value in (*row.values(), *numbers(row).values()) if isinstance(value, str)}
    assert ("0" in values) == spec.sends_zeros
    assert not spec.sends_zeros or all("clicks" in row and "actions" in row for row in reported)


@pytest.mark.parametrize("name", ["Lantern Books", "Kiln Pottery"])
def test_deleted_ads_have_rows_where_the_account_has_them_and_the_filter_includes_them(ask, standing, name):
    account, now = standing.world.account(name), standing.clock.now()
    deleted = {ad.id for ad in account.ads if ad.effective_status(now) == "DELETED"}

    with_filter = {row["ad_id"] for row in rows(ask, standing.world, name, filtering=WITH_DELETED)}
    without = {row["ad_id"] for row in rows(ask, standing.world, name, filtering=[WITH_DELETED[0] | {"value": ["ACTIVE"]}])}

    assert deleted
    assert (with_filter & deleted == deleted) == account.spec.reports_deleted
    assert (with_filter & deleted != set()) == account.spec.reports_deleted
    assert without & deleted == set()
