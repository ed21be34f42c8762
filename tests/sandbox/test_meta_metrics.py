"""Every metric that the sandbox serves of Meta's reports has a value somewhere; rankings follow Meta's rules."""

import pytest

from adpulse_sandbox.meta.report_fields import _FIELDS

WEEK = {"since": "2026-03-10", "until": "2026-03-16"}
RANKINGS = ("quality_ranking", "engagement_rate_ranking", "conversion_rate_ranking")
ENOUGH = 500
"""The impressions from which on Meta ranks an ad."""


@pytest.fixture(scope="module")
def rows(ask, standing):
    """Rows by level of an account that sells on Meta and beside it, a row for each day."""
    account = standing.world.account("Lantern Books")
    shared = {"token": "varied", "fields": ",".join(_FIELDS), "time_range": WEEK, "time_increment": "1", "limit": "500"}
    return {level: ask.rows(f"act_{account.id}/insights", level=level, **shared) for level in ("account", "campaign", "adset", "ad")}


@pytest.mark.parametrize("name", [name for name in _FIELDS if "objective_result" not in name])
def test_a_served_field_has_a_value_in_some_row(rows, name):
    assert any(name in row for level in rows.values() for row in level)


def test_an_ad_is_ranked_from_500_impressions_on(rows):
    few, enough = ([row for row in rows["ad"] if (int(row["impressions"]) >= ENOUGH) is ranked] for ranked in (False, True))

    assert few
    assert enough
    assert {row[name] for row in few for name in RANKINGS} == {"UNKNOWN"}
    assert "UNKNOWN" not in {row[name] for row in enough for name in RANKINGS}


def test_nothing_above_ads_is_ranked(rows):
    assert not any(name in row for level in ("account", "campaign", "adset") for row in rows[level] for name in RANKINGS)
