"""An account that refuses a filter by status, or a field, of its reports is read with as much of both as it takes."""

import logging
from datetime import timedelta

import pytest

from adpulse import presentation
from adpulse.model import Parts
from adpulse.platforms.meta.metrics import RULES
from adpulse.status_filter import WIDEST, ReportFilters, StatusFilter

ACCOUNT = "Corner Store 1"
DAY = timedelta(days=1)


@pytest.fixture
def connection(installation):
    return installation.connect(ACCOUNT)


def refuse(installation, value=None):
    installation.sandbox.faults.add([{"action": "filter_refused", "value": value}])


def filters(installation, connection):
    return installation.app.connections.get(connection.id).connection.filters


def asked(installation, level):
    """The filters of the reports of a level that were asked for, and whether they were answered."""
    calls = [call for call in installation.sandbox.calls.calls() if call.kind == "insights" and call.params["level"] == level]
    return [("DELETED" in call.params.get("filtering", ""), "filtering" in call.params, call.status) for call in calls]


EVERY, NOT_DELETED, NONE = (True, True), (False, True), (False, False)


def test_an_account_that_refuses_deleted_ones_is_read_without_them_and_remembers_it(installation, connection, caplog):
    refuse(installation, "DELETED")
    caplog.set_level(logging.WARNING)

    installation.sync(connection)

    reports = asked(installation, "ad")
    assert reports[0] == (*EVERY, 400)
    assert set(reports[1:]) == {(*NOT_DELETED, 200)}
    assert filters(installation, connection).ad is StatusFilter.NOT_DELETED
    assert filters(installation, connection).campaign is StatusFilter.NOT_DELETED
    assert "refuses the filter 'every' of its ad reports" in caplog.text
    assert installation.differences(connection) == []


def test_each_level_loses_only_what_it_refuses(installation, connection):
    refuse(installation, "campaign.effective_status")

    installation.sync(connection)

    assert filters(installation, connection).ad is StatusFilter.EVERY
    assert filters(installation, connection).campaign is StatusFilter.NONE
    assert {report[:2] for report in asked(installation, "ad")} == {EVERY}


def test_another_process_asks_at_once_with_what_was_learned(installation, connection):
    refuse(installation)
    installation.sync(connection)
    before = len(installation.sandbox.calls.calls())
    installation.app._clients.clear()

    installation.sandbox.clock.advance(3_600)
    installation.sync(connection, force=True)

    later = installation.sandbox.calls.calls()[before:]
    assert {call.status for call in later if call.kind == "insights"} == {200}


def test_a_refused_call_is_in_the_ledger(installation, connection):
    refuse(installation)

    installation.sync(connection)

    called = [call for call in installation.sandbox.calls.calls() if call.account == connection.external_id]
    assert sum(call.status == 400 for call in called) == 4
    assert len(installation.app.ledger.calls(connection.ledger_key)) == len(called)


def test_archived_ads_keep_their_numbers_where_reports_come_without_a_filter(installation):
    connection = installation.synced()  # large enough to have archived ads that the next sync reads again
    now = installation.app.clock.now()
    account = installation.sandbox.world.account(connection.name)
    archived = {ad.id for ad in account.ads if ad.created_at <= now and ad.effective_status(now) == "ARCHIVED"}

    def stored():
        rows = installation.rows("SELECT external_id, date, spend FROM metric_facts WHERE spend > 0")
        return {row[:2]: row[2] for row in rows if row[0] in archived}

    before = stored()
    refuse(installation)
    installation.advance_to(now + DAY)
    installation.sync(connection, force=True)

    assert before
    assert filters(installation, connection).ad is StatusFilter.NONE
    assert stored() == before


@pytest.mark.slow
def test_a_week_later_the_widest_filter_is_tried_again(installation, connection):
    refuse(installation, "DELETED")
    installation.sync(connection)
    noted = installation.app.clock.now()
    installation.advance_to(noted + 6 * DAY)
    installation.sync(connection, force=True)
    narrow = filters(installation, connection)
    installation.sandbox.faults.clear()
    installation.advance_to(noted + 8 * DAY)

    installation.sync(connection, force=True)

    assert narrow.ad is StatusFilter.NOT_DELETED
    assert filters(installation, connection) == WIDEST
    assert asked(installation, "ad")[-1] == (*EVERY, 200)


def requests_of_results(installation):
    """Whether results were among the fields of the reports of ads, and how those were answered."""
    calls = [call for call in installation.sandbox.calls.calls() if call.kind == "insights" and call.params["level"] == "ad"]
    return [("results" in call.params["fields"], call.status) for call in calls]


@pytest.fixture
def by_results(installation):
    """A connection whose conversions are each ad's own results, of an account that has leads."""
    connection = installation.connect("Harbor Outdoor")
    installation.app.mappings.choose(connection, RULES.preset("results"))
    return installation.app.connections.get(connection.id).connection


def known_conversions(installation):
    """How many rows of ads have them."""
    return installation.rows("SELECT count(conversions) FROM metric_facts")[0][0]


def leads(rows):
    return {row[:2]: row[2] for row in rows if row[2]}


def test_an_account_that_refuses_results_has_unknown_conversions_and_every_other_number(installation, by_results, caplog):
    installation.sandbox.faults.add([{"action": "field_refused"}])
    caplog.set_level(logging.WARNING)

    installation.sync(by_results)

    first, *later = requests_of_results(installation)
    now = installation.app.clock.now()
    truth = installation.sandbox.truth.metrics(by_results.external_id, now.date() - 89 * DAY, now.date(), now).to_pylist()
    stored = installation.rows("SELECT external_id, date, leads FROM metric_facts")
    assert (first, set(later)) == ((True, 400), {(False, 200)})
    assert known_conversions(installation) == 0
    assert leads(stored) == leads((row["external_id"], row["date"], row["leads"]) for row in truth if row["level"] == "ad") != {}
    assert filters(installation, by_results).refused_fields == {"results"}
    assert "is read without a field of its reports: Meta does not report results of account" in caplog.text


@pytest.mark.slow
def test_a_week_later_results_are_requested_again_and_known(installation, by_results):
    installation.sandbox.faults.add([{"action": "field_refused"}])
    installation.sync(by_results)
    noted = installation.app.clock.now()
    installation.advance_to(noted + 6 * DAY)
    installation.sync(by_results, force=True)
    rested = requests_of_results(installation)[-1]
    installation.sandbox.faults.clear()
    installation.advance_to(noted + 8 * DAY)

    installation.sync(by_results, force=True)

    assert rested == (False, 200)
    assert requests_of_results(installation)[-1] == (True, 200)
    assert filters(installation, by_results) == WIDEST
    assert known_conversions(installation) > 0


def test_what_is_refused_even_without_a_filter_is_no_matter_of_filters(installation, connection):
    refuse(installation)
    installation.sandbox.faults.add([{"action": "refused", "kind": "insights"}])

    installation.app.runs.request(connection.id, Parts.METRICS)
    installation.work(installation.claim())

    assert asked(installation, "ad") == [(*EVERY, 400), (*NOT_DELETED, 400), (*NONE, 400)]
    assert filters(installation, connection) == WIDEST
    assert "Meta refused a request" in installation.app.connections.get(connection.id).last_sync_error


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        (WIDEST, ""),
        (ReportFilters(ad=StatusFilter.NOT_DELETED), "ads: deleted ones may be missing"),
        (ReportFilters(campaign=StatusFilter.NONE), "campaigns: archived and deleted ones may be missing"),
        (ReportFilters(refused_fields=frozenset({"results"})), "the account refuses results, so what only they say is unknown"),
    ],
)
def test_status_says_what_reports_may_lack(installation, connection, chosen, words):
    app = installation.app
    app.filters.note(connection.id, chosen)
    view = app.connections.get(connection.id)

    shown = dict(presentation.telemetry_lines(view, app.cadences([view.connection])[connection.id], app.clock.now()))

    assert words in shown.get("Reports", "")
    assert ("Reports" in shown) == bool(words)
