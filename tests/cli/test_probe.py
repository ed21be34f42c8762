"""``adpulse probe`` on the sandbox, over both unmodified SDKs."""

import pytest
from probing_rig import Probing, use_sandbox
from repeats import first_quick

from adpulse import settings
from adpulse.platforms.registry import PLATFORMS, platform_of
from adpulse.probe.running import MOST_CALLS
from adpulse.probe.verdicts import Verdict
from adpulse_sandbox import Sandbox


@pytest.fixture
def sandbox():
    with Sandbox.start() as running:
        yield running


@pytest.fixture
def variables(sandbox, monkeypatch):
    """The environment of somebody who has no installation."""
    use_sandbox(sandbox, monkeypatch.setenv)
    settings.load.cache_clear()
    yield
    settings.load.cache_clear()


@pytest.fixture(params=PLATFORMS)
def probe(request, sandbox, variables, tmp_path):  # noqa: ARG001 - the probe reads the environment
    return Probing(request.param, sandbox, tmp_path / "out")


@pytest.fixture
def meta(sandbox, variables, tmp_path):  # noqa: ARG001 - as above
    return Probing("meta", sandbox, tmp_path / "out")


@pytest.fixture
def google(sandbox, variables, tmp_path):  # noqa: ARG001 - as above
    return Probing("google", sandbox, tmp_path / "out")


def verdicts(written):
    return {each.exchange.kind: each.judgement.verdict for each in written.findings.outcome.answered}


def assumption(written, beginning):
    (judgement,) = [judgement for each, judgement in written.findings.assumptions if each.words.startswith(beginning)]
    return judgement.verdict


def test_every_kind_of_request_is_asked_and_works(probe):
    """Of Meta, the rows of a report that takes two polls are asked for where no call is needed to find the account."""
    world = probe.sandbox.world if probe.platform == "meta" else probe.sandbox.google.world
    account = world.account("Harbor Outdoor").id if probe.platform == "meta" else None

    probes = [probe.run(), *([probe.run(account)] if account else [])]

    table = platform_of(probe.platform).probe()
    assert {str(kind) for kind in table.kinds} <= {kind for written in probes for kind in verdicts(written)}
    for written in probes:
        assert set(verdicts(written).values()) <= {Verdict.WORKS, Verdict.REFUSED_AS_ASSUMED}
        assert written.findings.is_as_assumed


def test_platforms_own_results_are_compared_although_a_report_takes_every_poll(meta):
    meta.fault(action="rewrite", kind="node", place="async_status", value="Job Running")

    written = meta.run()

    assert "asynchronous-report-rows" not in verdicts(written)
    assert "adpulse counts" in written.report.read_text()


def test_results_that_are_refused_are_no_refusal_of_the_campaigns_numbers(meta):
    meta.fault(action="refused", kind="insights", skip=3, count=1)  # the campaigns'

    written = meta.run()

    assert verdicts(written)["report-of-campaigns"] is Verdict.WORKS
    assert assumption(written, "campaigns have the platform's own `results`") is Verdict.SEEN


def test_a_probe_makes_at_most_its_calls_and_only_reads(probe):
    written = probe.run()

    writes = [call.path for call in probe.calls if call.method not in ("GET", "RPC")]
    assert len(probe.calls) == written.findings.outcome.calls <= MOST_CALLS
    assert [path.partition("/")[2] for path in writes] == (["insights"] if probe.platform == "meta" else [])
    assert {call.kind for call in probe.calls if call.method == "RPC"} <= {"search_stream", "list_accessible_customers"}


def test_nothing_is_created_but_the_folder(probe, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    probe.run()

    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert sorted(path.name for path in probe.folder.iterdir()) == ["answers", "report.md"]


def test_the_report_has_a_line_for_every_request_and_every_assumption(probe):
    text = probe.run().report.read_text()

    table = platform_of(probe.platform).probe()
    assert [words for words in (*table.kinds.values(), *table.beyond.values()) if words not in text] == []
    assert [each.words for each in table.assumptions if each.words not in text] == []


REFUSED = {"meta": ({"kind": "adsets"}, "ad-sets"), "google": ({"resource": "ad_group", "kind": "search_stream"}, "ad-groups")}


def test_a_refused_request_is_named_with_the_platforms_code(probe):
    where, kind = REFUSED[probe.platform]
    probe.fault(action="permission_lost", **where)

    written = probe.run()

    (judgement,) = [each.judgement for each in written.findings.outcome.answered if each.exchange.kind == kind]
    assert judgement.verdict is Verdict.REFUSED
    assert ("error 200" if probe.platform == "meta" else "USER_PERMISSION_DENIED") in written.report.read_text()
    assert not written.findings.is_as_assumed


OF_META = [
    ("meta", {"kind": "ads", "place": "data[0].effective_status", "value": "ANOTHER"}, "ads"),
    ("meta", {"kind": "campaigns", "place": "data", "remove": True}, "campaigns"),
    ("meta", {"kind": "insights", "place": "data[0].spend", "value": "a lot"}, "report-of-ads"),
    ("meta", {"kind": "insights", "place": "data[0].date_stop", "value": "2026-03-30"}, "report-of-ads"),
    ("meta", {"kind": "node", "place": "currency", "remove": True}, "account"),
    ("meta", {"kind": "insights_job", "place": "report_run_id", "value": "none"}, "asynchronous-report-start"),
    ("meta", {"kind": "ads", "place": "headers.facebook-api-version", "value": "v27.0"}, "ads"),
]
OF_GOOGLE = [
    ("google", {"resource": "customer", "place": "results[0].customer.time_zone", "value": "Mars/Olympus"}, "customer"),
    ("google", {"resource": "campaign", "place": "results[0].campaign.id", "value": 0}, "campaigns"),
    ("google", {"resource": "ad_group_ad", "place": "results[0].segments.date", "value": "2026-01-01"}, "report-of-ads"),
    ("google", {"resource": "ad_group", "place": "results[0].ad_group.resource_name", "value": "customers/1/adGroups/2"}, "ad-groups"),
]


@pytest.mark.parametrize(("platform", "rule", "kind"), [*first_quick(OF_META, 2), *first_quick(OF_GOOGLE)])
def test_an_answer_of_another_shape_is_answered_otherwise(sandbox, variables, tmp_path, platform, rule, kind):  # noqa: ARG001 - as above
    probe = Probing(platform, sandbox, tmp_path / "out")
    probe.fault(action="rewrite", **rule)

    written = probe.run()

    assert verdicts(written)[kind] is Verdict.OTHERWISE
    assert not written.findings.is_as_assumed


def test_a_filter_that_the_account_refuses_is_what_adpulse_is_made_for(meta):
    meta.fault(action="filter_refused", value="DELETED")

    written = meta.run()

    assert verdicts(written)["report-of-ads"] is Verdict.REFUSED_AS_ASSUMED
    assert assumption(written, "reports take the filter of every status") is Verdict.SEEN
    assert "100/1815001" in written.report.read_text()
    assert written.findings.is_as_assumed


def test_a_filter_that_is_ignored_is_found(meta):
    meta.fault(action="rewrite", kind="ads", place="data[*].updated_time", value="2020-01-01T00:00:00+0000")

    written = meta.run()

    assert verdicts(written)["changed-ads"] is Verdict.OTHERWISE
    assert assumption(written, "the bare filter `updated_time`") is Verdict.FAILS


def test_rows_that_a_half_of_the_fields_leaves_out_are_found(meta):
    meta.fault(action="rewrite", kind="insights", place="data[0]", remove=True, skip=2, count=1)  # the request for actions

    written = meta.run()

    assert assumption(written, "halves of the fields") is Verdict.FAILS


def test_the_account_is_compared_with_its_campaigns(meta):
    assert assumption(meta.run(), "the account's totals") is Verdict.HOLDS


def test_campaigns_that_do_not_add_up_are_found(meta):
    meta.fault(action="rewrite", kind="insights", place="data[0].spend", value="0.01", skip=4, count=1)  # the account

    assert assumption(meta.run(), "the account's totals") is Verdict.FAILS


def test_an_account_whose_actions_are_not_added_up_is_found(meta):
    meta.fault(action="rewrite", kind="insights", place="data[0].actions", remove=True, skip=5, count=1)  # the account's types

    assert assumption(meta.run(), "the account's actions are added up") is Verdict.FAILS


def test_asset_groups_below_their_campaign_are_seen_and_above_it_fail(google):
    google.fault(action="rewrite", resource="asset_group", place="results[0].metrics.cost_micros", value=10**15)

    assert assumption(google.run(), "asset groups with `segments.date`") is Verdict.FAILS


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "results are actions:lead, adpulse counts as many"),
        ([{"indicator": "actions:lead"}], "results are actions:lead, adpulse counts more"),
        ([{"indicator": "actions:lead", "values": [{"value": "1000000"}]}], "results are actions:lead, adpulse counts fewer"),
        ([{"indicator": "actions:onsite_conversion.acme"}], "results are of another kind"),
        ("?", "results are of an unknown form, adpulse counts none that can be read"),
    ],
)
def test_conversions_are_counted_beside_metas_own_results(meta, value, words):
    meta.fault(action="rewrite", kind="insights_job", place="report_run_id", remove=True)  # without polls there are calls left
    if value is not None:
        meta.fault(action="rewrite", kind="insights", place="data[*].results", value=value)

    assert words in meta.run().report.read_text()


def test_a_deleted_ad_with_numbers_is_looked_for(meta):
    """The sandbox's reports leave deleted ads out, so an ad with numbers is taken from the list, and says that it is deleted."""
    meta.fault(action="rewrite", kind="ads", place="data[0]", remove=True, skip=3)
    meta.fault(action="rewrite", kind="node", place="effective_status", value="DELETED", skip=1)

    assert assumption(meta.run(), "reports list deleted ads") is Verdict.SEEN


def test_a_token_that_reaches_no_account_shows_nothing(meta):
    meta.fault(action="permission_lost", kind="me/adaccounts")

    written = meta.run()

    assert verdicts(written)["own-accounts"] is Verdict.REFUSED_AS_ASSUMED
    assert "reaches no account" in written.report.read_text()
    assert not written.findings.is_as_assumed


def test_a_revoked_refresh_token_is_an_answer_too(google):
    google.fault(action="revoked_token", kind="token")

    written = google.run()

    assert verdicts(written) == {"accessible-customers": Verdict.REFUSED}
    assert "AuthExpired" in written.report.read_text()


def test_a_token_endpoint_that_fails_is_no_answer(google):
    google.fault(action="server_error", kind="token")

    assert verdicts(google.run()) == {"accessible-customers": Verdict.OTHERWISE}


def test_a_token_that_is_over_ends_the_probe_at_once(probe):
    probe.fault(action="expired_token")

    written = probe.run()

    assert len(verdicts(written)) == 1
    assert "ended early" in written.report.read_text()
    assert not written.findings.is_as_assumed


def test_the_chosen_account_is_probed(probe):
    world = probe.sandbox.world if probe.platform == "meta" else probe.sandbox.google.world
    named = {"meta": "Sakura Tea", "google": "Pacific Trail Outfitters"}[probe.platform]
    wanted = world.account(named).id if probe.platform == "meta" else world.customer(named).id

    probe.run(wanted)

    read = {call.account for call in probe.calls if call.kind not in ("list_accessible_customers", "search_stream")}
    assert {call.account for call in probe.calls[-6:-1]} == {wanted}
    assert read <= {wanted, ""}


def test_an_account_that_the_token_does_not_reach_ends_the_probe(probe):
    written = probe.run("1" if probe.platform == "meta" else "1111111111")

    assert len(probe.calls) <= 4
    assert "reach" in written.findings.outcome.stopped
    assert not written.findings.is_as_assumed
