"""What an account counts by another mapping than the default, against the sandbox's own numbers, and what a change of it leaves behind."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from clients import GoogleRig, MetaRig
from installation import Installation

from adpulse.errors import Usage
from adpulse.mapping import RESULTS
from adpulse.metrics_request import MetricsRequest
from adpulse.model import ConnectionStatus, FetchKind, Heat, RunState
from adpulse.platforms.registry import platform_of
from adpulse.services import conversion_types
from adpulse.services import mapping as mappings
from adpulse_sandbox import Sandbox

CHATS = "onsite_conversion.messaging_conversation_started_7d"
REGISTRATIONS = ("complete_registration", "omni_complete_registration", "offsite_conversion.fb_pixel_complete_registration")
CUSTOM = "offsite_conversion.custom.1470000000000061"
MAPPINGS = {
    "Chat Bakery": {"leads": [CHATS], "visitors": []},
    "Course Portal": {"conversions": REGISTRATIONS},
    "Studio Fit": {"conversions": [CUSTOM], "clicks": ["link"]},
    "Signup Cloud": {"leads": ["SIGNUP"], "conversions": ["leads"]},
    "Message Motors": {"leads": ["MESSAGE_LEAD", "IMPORTED_LEAD"], "purchases": ["910003"], "conversions": ["purchases", "910004"]},
}
"""The accounts of which the default counts nothing, or not all, and what is to count."""

SYNCED = ("Chat Bakery", "Studio Fit", "Signup Cloud")
"""Those whose mapping changes later; of the others the client's answers are enough, which cost a tenth of a first sync."""

ANSWERED_DAYS = 28


class Rig:
    """An installation in which each of these accounts was connected with its mapping, and some were synced by it."""

    def __init__(self, installation):
        self.installation, self.sandbox = installation, installation.sandbox
        self.connections = {name: self.connect(name) for name in MAPPINGS}

    def connect(self, name):
        connection = self.installation.connect(name, token="varied")
        self.choose(connection, MAPPINGS[name])
        if name in SYNCED:
            assert self.installation.sync(connection).state is RunState.DONE
        else:
            self.installation.app.connections.set_status(connection.id, ConnectionStatus.PAUSED, None)
        return self.installation.app.connections.get(connection.id).connection

    def choose(self, connection, changes=None, **options):
        mapping = mappings.revised(connection, changes=changes or {}, **options)
        return mappings.choose(self.installation.app, connection, mapping, dispatcher=lambda *_: None)

    def stored(self, connection, metric):
        """The metric of each leaf and day, in units, without zeros."""
        if connection.name not in SYNCED:
            kinds = set(platform_of(connection.provider).metric_kinds) - {FetchKind.CAMPAIGNS}
            rows = [row for kind in kinds for row in self.answered(connection, kind)]
            return {(row["external_id"], row["date"]): row[metric] for row in rows if row[metric]}
        query = f"SELECT external_id, date, {metric} FROM metric_facts WHERE connection_id = ? AND {metric} <> 0"
        return {(leaf, day): value for leaf, day, value in self.installation.rows(query, [connection.id])}

    def answered(self, connection, kind):
        """What the client reads of the last days, by the mapping."""
        until = connection.today(self.sandbox.clock.now())
        request = MetricsRequest(kind=kind, heat=Heat.COLD, since=until - timedelta(days=ANSWERED_DAYS - 1), until=until)
        return self.installation.app.client(connection).metrics(connection, request, lambda: None).rows.to_pylist()

    def read_at(self, connection, kind):
        """When each day was read."""
        if connection.name not in SYNCED:
            now = self.sandbox.clock.now()
            return {connection.today(now) - timedelta(days=n): now for n in range(ANSWERED_DAYS)}
        return {day: at for (read, day), at in self.installation.notes[connection.id][-1].days.items() if read is kind}

    def expected_of_meta(self, connection, count):
        """The numbers of each ad and day, of the sandbox's truth: ``count`` of a day, in millionths."""
        account, found = self.sandbox.truth.account(connection.external_id), {}
        for day, at in self.read_at(connection, FetchKind.ADS).items():
            truth = self.sandbox.truth.day_of(connection.external_id, day, at)
            numbers = count(truth)
            found |= {(ad.id, day): int(numbers[n]) for n, ad in enumerate(account.ads) if truth.reported[n] and numbers[n]}
        return found

    def expected_of_google(self, connection, *categories):
        customer, found = self.sandbox.google.world.customers[connection.external_id], {}
        for day, at in self.read_at(connection, FetchKind.CATEGORIES).items():
            truth = self.sandbox.google.truth.day_of(connection.external_id, day, at)
            rows = [truth.conversions[n] for n, action in enumerate(customer.actions) if action.category in categories]
            sums = sum(rows)
            found |= {(str(leaf.id), day): int(sums[n]) for n, leaf in enumerate(customer.leaves) if sums[n]}
        return found


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    with Sandbox.start(now=datetime(2026, 11, 20, 15, tzinfo=UTC)) as sandbox:
        installation = Installation(tmp_path_factory.mktemp("mappings") / "home", sandbox)
        try:
            yield Rig(installation)
        finally:
            installation.close()


@pytest.mark.parametrize(
    ("name", "share", "metrics"),
    [("Chat Bakery", 40, ("leads", "conversions")), ("Course Portal", 12, ("conversions",)), ("Studio Fit", 7, ("conversions",))],
)
def test_what_an_account_of_meta_lives_from_counts_once_and_to_the_micro(rig, name, share, metrics):
    connection = rig.connections[name]
    expected = rig.expected_of_meta(connection, lambda day: day.clicks * share // 100 * 1_000_000)

    assert len(expected) > 50
    for metric in metrics:
        assert rig.stored(connection, metric) == expected


def test_clicks_on_links_are_the_platforms_own_field(rig):
    connection = rig.connections["Studio Fit"]
    truth = rig.expected_of_meta(connection, lambda day: day.clicks)
    stored = rig.stored(connection, "clicks")

    assert stored.keys() <= truth.keys()
    assert 0.3 < sum(stored.values()) / sum(truth.values()) < 1


def test_what_a_mapping_leaves_out_counts_as_nothing(rig):
    assert rig.stored(rig.connections["Chat Bakery"], "visitors") == {}


@pytest.mark.parametrize(
    ("name", "categories"),
    [
        ("Signup Cloud", {"leads": ("SIGNUP",), "conversions": ("SIGNUP",)}),
        (
            "Message Motors",
            {
                "leads": ("MESSAGE_LEAD", "IMPORTED_LEAD"),
                "purchases": ("QUALIFIED_LEAD",),
                "conversions": ("QUALIFIED_LEAD", "CONVERTED_LEAD"),
            },
        ),
    ],
)
def test_categories_and_actions_of_google_count_as_the_metrics_of_the_mapping(rig, name, categories):
    connection = rig.connections[name]

    for metric, counted in categories.items():
        expected = rig.expected_of_google(connection, *counted)
        assert len(expected) > 20
        assert rig.stored(connection, metric) == expected


def test_googles_campaigns_add_up_by_the_mapping_and_its_account_does_not_say(rig):
    connection = rig.connections["Signup Cloud"]
    totals = "SELECT date, sum(conversions) FROM {} WHERE connection_id = ? GROUP BY ALL HAVING sum(conversions) <> 0 ORDER BY ALL"

    of_leaves = rig.installation.rows(totals.format("metric_facts"), [connection.id])
    assert rig.installation.rows(totals.format("platform_totals"), [connection.id]) == of_leaves != []
    assert rig.installation.rows(totals.format("account_totals"), [connection.id]) == []


PRESETS = [(kind, name) for kind in (MetaRig, GoogleRig) for name in platform_of(kind.PLATFORM).mapping.presets if name != RESULTS]
"""Every preset but that of results, which counts something else of each ad: ``test_results.py``."""

COUNTED = {
    ("meta", "default"): ("purchases", "leads", "installs"),
    ("meta", "purchases"): ("purchases",),
    ("google", "default"): ("conversions",),
    ("google", "purchases"): ("purchases",),
}
"""What of the sandbox's truth the conversions of each preset are; the truth is told by the default's meaning of these words."""


@pytest.mark.parametrize(("kind", "name"), PRESETS, ids=lambda value: getattr(value, "PLATFORM", value))
def test_each_preset_counts_what_it_says_of_leaves_and_campaigns(rig, kind, name):
    client, day = kind(rig.sandbox), rig.sandbox.clock.now().date() - timedelta(days=3)
    connection = replace(client.connection(), mapping=platform_of(kind.PLATFORM).mapping.preset(name))
    reads = platform_of(kind.PLATFORM).metric_kinds

    for level, kinds in (("ad", set(reads) - {FetchKind.CAMPAIGNS}), ("campaign", {FetchKind.CAMPAIGNS})):
        requests = [MetricsRequest(kind=read, heat=Heat.COLD, since=day, until=day) for read in kinds]
        rows = [row for request in requests for row in client.client.metrics(connection, request, client.slot).rows.to_pylist()]
        read = added_up((row["external_id"], row["conversions"]) for row in rows)
        true = added_up(
            (row["external_id"], add(row[metric] for metric in COUNTED[kind.PLATFORM, name]))
            for row in client.truth(since=day, until=day, level=level).to_pylist()
            if row["level"] != "account"
        )
        assert read == true
        assert len(read) > 3


def add(numbers):
    """Their sum; None where the platform withholds one of them."""
    told = list(numbers)
    return None if None in told else sum(told)


def added_up(pairs):
    """The sum of each entity, without zeros and what is withheld: halves of a row add up."""
    sums = {}
    for entity, number in pairs:
        sums[entity] = sums.get(entity, 0) + (number or 0)
    return {entity: number for entity, number in sums.items() if number}


def counts(types):
    return {kind.names[-1]: kind.count for kind in types.types if kind.count}


def asked(rig):
    """How often the platforms were called, but for access tokens."""
    return sum(call.kind != "token" for call in rig.sandbox.calls.calls())


def truths(rig, name, truth):
    """The true days of the last 28, today among them, and the connection."""
    connection, now = rig.connections[name], rig.sandbox.clock.now()
    today = connection.today(now)
    return connection, [truth.day_of(connection.external_id, today - timedelta(days=n), now) for n in range(28)]


@pytest.mark.parametrize(
    ("name", "shares"),
    [("Chat Bakery", {CHATS: 40}), ("Course Portal", dict.fromkeys(REGISTRATIONS, 12)), ("Studio Fit", {CUSTOM: 7})],
)
def test_the_types_of_an_account_of_meta_are_those_of_28_days_in_one_call(rig, name, shares):
    connection, days = truths(rig, name, rig.sandbox.truth)
    before = asked(rig)
    kept = conversion_types.read(rig.installation.app, connection)

    clicks = sum(int(day.clicks[day.delivered].sum()) for day in days)
    assert asked(rig) == before + 1
    assert (kept.types.clicks["all"], kept.types.withheld) == (clicks, False)
    assert {kind: counts(kept.types)[kind] for kind in shares} == {kind: clicks * share // 100 * 10**6 for kind, share in shares.items()}
    assert rig.installation.app.conversion_types.of(connection.id) == kept


@pytest.mark.parametrize("name", ["Signup Cloud", "Message Motors"])
def test_the_types_of_a_customer_of_google_are_its_primary_actions_in_one_call(rig, name):
    connection, days = truths(rig, name, rig.sandbox.google.truth)
    before = asked(rig)
    kept = conversion_types.read(rig.installation.app, connection)

    actions = rig.sandbox.google.world.customers[connection.external_id].actions
    expected = {str(action.id): sum(int(day.conversions[n].sum()) for day in days) for n, action in enumerate(actions) if action.primary}
    assert asked(rig) == before + 1
    assert counts(kept.types) == {action: count for action, count in expected.items() if count} != {}


def test_results_that_count_as_nothing_are_a_warning_until_a_mapping_counts_them(rig):
    app, connection = rig.installation.app, rig.connections["Course Portal"]
    conversion_types.read(app, replace(connection, mapping=None))
    (warning,) = app.connections.get(connection.id).warnings

    assert warning.kind == "uncounted_results"
    assert warning.message.startswith("No conversions are counted, and Meta Ads reports omni_complete_registration (")
    conversion_types.judge_again(app.conversion_types, connection)
    assert app.connections.get(connection.id).warnings == ()


def test_conversions_by_action_add_up_in_googles_campaigns(rig):
    connection = rig.connections["Message Motors"]
    campaigns = rig.answered(connection, FetchKind.CAMPAIGNS)

    for metric in ("conversions", "purchases"):
        assert sum(row[metric] for row in campaigns) == sum(rig.stored(connection, metric).values()) > 0


def test_a_type_that_holds_two_events_is_refused(rig):
    with pytest.raises(Usage, match="would count twice"):
        rig.choose(rig.connections["Course Portal"], {"conversions": ["offsite_complete_registration_add_meta_leads"]})


CHANGES = "SELECT date, cause, count(*) FROM metric_changes WHERE connection_id = ? AND changed_at >= ? GROUP BY ALL ORDER BY ALL"


@pytest.mark.parametrize("name", ["Chat Bakery", "Signup Cloud"])
def test_another_mapping_reads_the_lookback_again_and_is_the_cause_of_what_changed(rig, name):
    installation, connection = rig.installation, rig.connections[name]
    rig.sandbox.clock.advance(60)
    before = rig.sandbox.clock.now()

    rig.choose(connection, preset="default")
    run = installation.finish(installation.work(installation.claim())[0])

    today = connection.today(before)
    lookback = today - timedelta(days=28 if connection.provider == "meta" else 90)
    changes = installation.rows(CHANGES, [connection.id, before])
    assert run.state is RunState.DONE
    assert len(changes) > 20
    assert {cause for day, cause, _ in changes if day < today} == {"mapping"}
    assert min(day for day, *_ in changes) >= lookback
    assert {at for day, at in rig.read_at(connection, FetchKind.ADS).items() if day >= lookback} >= {before}
    partitions = installation.app.partitions
    assert partitions.ages_to_plan_by(connection.id).days == partitions.ages(connection.id).days
    restated = installation.app.warehouse(connection.workspace_id).applied_since(run.id, 0).restated
    assert restated is None
    history = "SELECT name, since FROM mappings WHERE connection_id = ? ORDER BY since"
    assert [row[0] for row in installation.rows(history, [connection.id])] == ["custom", "default"]
    assert installation.rows(history, [connection.id])[-1][1] == before


def test_answers_that_were_counted_by_the_earlier_mapping_are_read_again(rig):
    installation, connection = rig.installation, rig.connections["Studio Fit"]
    rig.sandbox.clock.advance(3_600)
    installation.app.runs.request(connection.id, force=True)
    (lease,) = installation.claim()
    installation._prepare(lease)
    installation._read(lease)
    rig.sandbox.clock.advance(60)

    rig.choose(connection, {"conversions": ["offsite_conversion.fb_pixel_custom"], "clicks": ["link"]})
    run = installation.finish(installation.work(installation.claim())[0])

    assert run.state is RunState.DONE
    since = connection.today(rig.sandbox.clock.now()) - timedelta(days=28)
    expected = rig.expected_of_meta(connection, lambda day: day.clicks * 9 // 100 * 1_000_000)
    stored = rig.stored(connection, "conversions")
    assert {key: stored[key] for key in stored if key[1] >= since} == {key: expected[key] for key in expected if key[1] >= since} != {}


@pytest.mark.slow  # an attribution is stored and read again as any other part of a mapping is
def test_another_attribution_reads_the_lookback_again_and_is_the_cause_of_what_changed(rig):
    installation = rig.installation
    connection = installation.connect("Optic Corner", token="varied")
    assert installation.sync(connection).state is RunState.DONE
    rig.sandbox.clock.advance(60)
    before = rig.sandbox.clock.now()

    rig.choose(connection, {"attribution": ["1d_click", "1d_ev"]})
    run = installation.finish(installation.work(installation.claim())[0])

    today, since = connection.today(before), connection.today(before) - timedelta(days=28)
    changes = installation.rows(CHANGES, [connection.id, before])
    truth = rig.sandbox.truth.counting_in("1d_click", "1d_ev")
    expected = {
        (row["external_id"], row["date"]): row["purchases"]
        for row in truth.metrics(connection.external_id, since, today - timedelta(days=1), before).to_pylist()
        if row["purchases"]
    }
    query = "SELECT external_id, date, purchases FROM metric_facts WHERE connection_id = ? AND purchases <> 0 AND date BETWEEN ? AND ?"
    stored = installation.rows(query, [connection.id, since, today - timedelta(days=1)])
    assert run.state is RunState.DONE
    assert {cause for day, cause, _ in changes if day < today} == {"mapping"}
    assert {(leaf, day): number for leaf, day, number in stored} == expected != {}
    assert installation.app.warehouse(connection.workspace_id).applied_since(run.id, 0).restated is None
    history = "SELECT name, attribution FROM mappings WHERE connection_id = ? ORDER BY since"
    assert installation.rows(history, [connection.id]) == [("default", "default"), ("default", "1d_click,1d_ev")]
