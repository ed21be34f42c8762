"""The view ``reconciliation``, and which of its remainders nothing explains."""

from datetime import timedelta
from decimal import Decimal

import pytest

from adpulse.errors import Usage
from adpulse.model import Level
from storage.warehouse.remainders import read_remainders

HISTORY = "SELECT level, reconciled_at, ours::BIGINT, platform::BIGINT, remainder::BIGINT, deleted FROM reconciled_days ORDER BY ALL"
VIEW = "SELECT level, metric, ours, platform, remainder, share FROM reconciliation WHERE metric IN ('spend', 'clicks') ORDER BY ALL"


def units(spend):
    return {"spend": spend * 1_000_000, "profit": -spend * 1_000_000}


@pytest.fixture
def told(workspace, build):
    """Remainders of a day that ended, after answers about it."""

    def through(*answers, connection=None):
        connection = connection or build.connection()
        workspace.sync(build.run(*answers), connections=[connection])
        workspace.warehouse.publish(min_interval_seconds=0)
        return read_remainders(workspace.published, connection, build.now + timedelta(days=3))

    return through


def test_both_levels_are_compared_in_units_of_the_metric(workspace, build):
    clicks = {"clicks": 4}
    workspace.sync(build.run(build.ads(units(90) | clicks), build.totals(units(100) | clicks), build.account(units(125) | {"clicks": 5})))

    assert workspace.rows(VIEW) == [
        ("account", "clicks", 4, 5, 1, 0.2),
        ("account", "spend", 100, 125, 25, 0.2),
        ("campaign", "clicks", 4, 4, 0, 0),
        ("campaign", "spend", 90, 100, 10, 0.1),
    ]


def test_a_metric_that_one_side_does_not_report_is_neither_equal_nor_different(workspace, build):
    silent = {"revenue": None, "profit": None}
    workspace.sync(build.run(build.ads(units(1)), build.totals(units(1) | silent), build.account(units(1))))

    assert workspace.rows("SELECT level, remainder FROM reconciliation WHERE metric = 'revenue' ORDER BY ALL") == [
        ("account", None),
        ("campaign", None),
    ]


def test_a_large_remainder_of_a_day_that_ended_is_unexplained(told, build):
    (found,) = told(build.ads(units(100)), build.totals(units(100)), build.account(units(125)))

    assert (found.level, found.ours, found.platform, found.amount, found.share) == (Level.ACCOUNT, 100, 125, 25, Decimal("0.2"))
    assert (found.unexplained, found.reason) == (True, "unexplained")


def test_a_thousandth_of_the_days_spend_is_too_small_to_matter(told, build):
    (found,) = told(build.ads(units(999)), build.totals(units(999)), build.account(units(1000)))

    assert (found.unexplained, found.reason) == (False, "too small to matter")


def test_a_day_that_is_still_moving_is_no_concern(workspace, told, build):
    told(build.ads(units(100)), build.totals(units(100)), build.account(units(125)))
    (found,) = read_remainders(workspace.published, build.connection(), build.now + timedelta(days=1))

    assert (found.unexplained, found.reason) == (False, "the day is still moving")


def test_a_deleted_campaign_that_is_known_explains_what_the_account_has_beyond(told, build):
    gone = build.walk({"level": "campaign", "external_id": "k9", "status": "DELETED"})
    (found,) = told(build.ads(units(100)), build.totals(units(100)), build.account(units(125)), gone)

    assert (found.unexplained, found.reason) == (False, "a campaign is known to be deleted")


def test_a_campaign_without_ads_that_report_explains_what_campaigns_have_beyond(told, build):
    smart = units(20) | {"external_id": "k2", "campaign_id": "k2"}
    (found,) = told(build.ads(units(100)), build.totals(units(100), smart), build.account(units(120)))

    assert (found.level, found.unexplained, found.reason) == (Level.CAMPAIGN, False, "of campaigns without ads that report")


def test_campaigns_without_ads_do_not_excuse_what_others_lack(told, build):
    smart = units(20) | {"external_id": "k2", "campaign_id": "k2"}
    (found,) = told(build.ads(units(60)), build.totals(units(100), smart), build.account(units(120)))

    assert (found.amount, found.leafless, found.unexplained) == (60, 20, True)


def test_nothing_deleted_explains_more_than_the_platform_reports(told, build):
    gone = build.walk({"level": "campaign", "external_id": "k9", "status": "DELETED"})
    (found,) = told(build.ads(units(100)), build.totals(units(100)), build.account(units(70)), gone)

    assert (found.amount, found.unexplained) == (-30, True)


def test_a_deleted_campaign_explains_nothing_where_its_total_is_stored(told, build):
    gone = build.walk({"level": "campaign", "external_id": "k1", "status": "DELETED"})
    (found,) = told(build.ads(units(100)), build.totals(units(100)), build.account(units(125)), gone)

    assert found.unexplained


def test_what_is_removed_explains_nothing_on_a_platform_that_goes_on_to_report_it(told, build):
    gone = build.walk({"level": "campaign", "external_id": "k9", "status": "REMOVED"})
    answers = build.ads(units(100)), build.totals(units(100)), build.account(units(125)), gone
    (found,) = told(*answers, connection=build.connection(provider="google"))

    assert found.unexplained


def test_a_comparison_is_stored_for_each_day_and_level(workspace, build):
    workspace.sync(build.run(build.ads(units(90)), build.totals(units(100)), build.account(units(125))))

    assert workspace.warehouse.note_reconciliation("c1", build.now) == 2
    assert workspace.rows(HISTORY) == [("account", build.now, 100, 125, 25, 0), ("campaign", build.now, 90, 100, 10, 0)]


def test_a_comparison_that_finds_the_same_writes_nothing(workspace, build):
    workspace.sync(build.run(build.ads(units(90)), build.totals(units(100)), build.account(units(125))))
    workspace.warehouse.note_reconciliation("c1", build.now)
    before = workspace.path.stat().st_mtime_ns

    assert workspace.warehouse.note_reconciliation("c1", build.now + timedelta(days=1)) == 0
    assert workspace.path.stat().st_mtime_ns == before


def test_what_was_found_before_stays_when_a_remainder_changes_or_is_explained(workspace, build):
    later = [build.now + timedelta(days=n) for n in range(3)]
    workspace.sync(build.run(build.ads(units(100)), build.totals(units(100)), build.account(units(125))))
    workspace.warehouse.note_reconciliation("c1", later[0])
    gone = build.walk({"level": "campaign", "external_id": "k9", "status": "DELETED"})
    workspace.sync(build.run(gone, generation=2))
    workspace.warehouse.note_reconciliation("c1", later[1])
    workspace.sync(build.run(build.ads(units(100)), build.totals(units(100)), build.account(units(100)), generation=3))
    workspace.warehouse.note_reconciliation("c1", later[2])

    account = [row[1:] for row in workspace.rows(HISTORY) if row[0] == "account"]
    assert account == [(later[0], 100, 125, 25, 0), (later[1], 100, 125, 25, 1), (later[2], 100, 100, 0, 1)]


def test_a_remainder_that_is_not_known_any_more_is_stored_once_and_so_is_its_return(workspace, build):
    later = [build.now + timedelta(days=n) for n in range(4)]
    known = build.ads(units(100)), build.totals(units(100)), build.account(units(125))
    silent = build.ads(units(100)), build.totals(units(100)), build.account({"spend": None, "profit": None})
    for generation, (answers, now) in enumerate(zip((silent, known, silent, silent), later, strict=True), start=1):
        workspace.sync(build.run(*answers, generation=generation))
        workspace.warehouse.note_reconciliation("c1", now)

    account = [row[1:5] for row in workspace.rows(HISTORY) if row[0] == "account"]
    assert account == [(later[1], 100, 125, 25), (later[2], None, None, None)]


def test_a_workspace_without_a_file_has_nothing_to_compare(workspace, build):
    assert workspace.warehouse.note_reconciliation("c1", build.now) == 0
    assert workspace.files() == ["w.lock"]


def test_a_copy_that_an_older_version_published_says_so(workspace, build):
    workspace.sync(build.run(build.ads(units(90)), build.totals(units(100))))
    workspace.command("DROP VIEW completeness; DROP VIEW reconciliation")
    workspace.published.parent.mkdir()
    workspace.published.write_bytes(workspace.path.read_bytes())

    with pytest.raises(Usage, match="older adpulse"):
        read_remainders(workspace.published, build.connection(), build.now)
