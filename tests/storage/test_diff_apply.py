"""Whatever is stored and whatever is answered: diff and apply do what a plain dictionary would."""

from collections import Counter, defaultdict
from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st
from repeats import examples

from adpulse.campaign_range import CampaignRange
from adpulse.gone_statuses import GONE_STATUSES
from adpulse.metrics import METRICS
from adpulse.model import FetchKind

TODAY = date(2026, 3, 20)
DAYS = [TODAY - timedelta(days=n) for n in range(3)]
NOTHING = (None,) * 10
LARGEST, SMALLEST = 2**63 - 1, -(2**63)
UNTOTALLED = "k0"
"""A campaign whose totals are never answered: its numbers may be of any size."""
CAMPAIGNS = (UNTOTALLED, "k1", "k2", "")


class Dictionary:
    """What must be stored, worked out row by row."""

    def __init__(self):
        self.facts = {}
        self.totals = {}
        self.entities = {}
        self.unreported = {}
        self.metric_changes = []
        self.entity_changes = []
        self.runs = {}

    def apply(self, run):
        """Take in one run; what it counts as (fetched, inserted, updated, unchanged, vanished, entities)."""
        stamp = (run.now, run.run_id)
        entities = self._entities(run)
        before = {(key[0], campaign, key[3]) for key, (campaign, *_) in self.facts.items()}
        facts, told = self._metrics(run, FetchKind.ADS, self.facts)
        totals, told_totals = self._metrics(run, FetchKind.CAMPAIGNS, self.totals)
        for (key, campaign, values), (_, mask, cause) in facts:
            self.metric_changes.append((*key, campaign, *values, mask, cause, *stamp, run.generation))
        for table, changes in ((self.facts, facts), (self.totals, totals)):
            for (key, campaign, values), _ in changes:
                first_seen = table[key][2] if key in table else run.now
                table[key] = (campaign, values, first_seen, *stamp)
        inserted = {(key[0], campaign, key[3]) for (key, campaign, _), (is_new, *_) in facts if is_new}
        remainders = self._remainders(run, inserted - before)
        for key, values in remainders.items():
            self.unreported[key] = (values, *stamp)
        inserted = [new for _, (new, _, _) in facts + totals].count(True)
        vanished = [cause for _, (_, _, cause) in facts + totals].count("vanished")
        updated = len(facts + totals) - inserted
        fetched = told + told_totals
        counts = (fetched, inserted, updated, fetched + vanished - inserted - updated, entities)
        if facts or totals or entities or remainders:
            self.runs[run.run_id] = (run.generation, run.connection_id, run.now, *counts)
        return counts, vanished

    def _entities(self, run):
        changed = 0
        for key, said in self._wanted_entities(run).items():
            stored, first_seen = self.entities[key][:2] if key in self.entities else (None, run.now)
            row = said
            bare = said[2] in GONE_STATUSES and said[:2] == (None, None) and said[3:] == (None, "{}")
            if (said[2] == "GONE" or bare) and stored:
                kept = tuple(new if old is None else old for old, new in zip(stored, said, strict=True))
                row = stored if stored[2] == said[2] else (*kept[:2], said[2], *kept[3:])
            if row != stored:
                changed += 1
                self.entities[key] = (row, first_seen, run.now, run.run_id)
                self.entity_changes.append((*key, *row, run.now, run.run_id, run.generation))
        return changed

    def _wanted_entities(self, run):
        last, walk = {}, None
        answers = [one for one in sorted(run.fetched, key=lambda one: one.fetched_at) if not one.fetch.kind.has_dates]
        for position, one in enumerate(answers):
            if one.fetch.kind is FetchKind.ENTITIES_FULL:
                walk = position
            for row in one.table.to_pylist():
                key = (row["connection_id"], row["level"], row["external_id"])
                last[key] = position, (row["parent_id"], row["name"], row["status"], row["objective"], row["attributes"])
        if walk is None:
            return {key: row for key, (_, row) in last.items()}
        unheard = {key: (-1, row) for key, (row, *_) in self.entities.items() if key[0] == run.connection_id and key not in last}
        wanted = {}
        for key, (position, row) in (last | unheard).items():
            missed = position < walk and key[1] != "account" and row[2] not in GONE_STATUSES
            wanted[key] = (*row[:2], "GONE", *row[3:]) if missed else row
        return wanted

    def _days(self, run, kind):
        """Which answer speaks for which day and campaign: the last one that covers it."""
        speaker = {}
        for one in sorted(run.fetched, key=lambda one: one.fetched_at):
            if one.fetch.kind is kind:
                for n in range((one.fetch.until - one.fetch.since).days + 1):
                    covered = [campaign for campaign in CAMPAIGNS if campaign in one.fetch.campaigns]
                    speaker |= {(one.fetch.since + timedelta(days=n), campaign): one for campaign in covered}
        return speaker

    def _metrics(self, run, kind, table):
        wanted = {}
        heard = [row for one in run.fetched if one.fetch.kind is FetchKind.ENTITIES_CONFIRMED for row in one.table.to_pylist()]
        living = {(row["connection_id"], row["level"], row["external_id"]) for row in heard if row["status"] not in GONE_STATUSES}
        speaker = self._days(run, kind)
        for one in sorted(run.fetched, key=lambda one: one.fetched_at):
            for row in one.table.to_pylist() if one.fetch.kind is kind else ():
                if speaker[row["date"], row["campaign_id"]] is one:
                    key = (row["connection_id"], row["level"], row["external_id"], row["date"])
                    wanted[key] = row["campaign_id"], tuple(row[name] for name in METRICS), "platform"
        for key, (campaign, values, *_) in table.items():
            if key[0] == run.connection_id and (key[3], campaign) in speaker and key not in wanted and key[:3] in living:
                wanted[key] = campaign, tuple(None if value is None else 0 for value in values), "vanished"
        changes = []
        for key, (campaign, values, cause) in wanted.items():
            old_campaign, old = table[key][:2] if key in table else (None, NOTHING)
            if (campaign, values) == (old_campaign, old):
                continue
            differing = [n for n in range(10) if values[n] != old[n]]
            only_profit = key in table and differing == [list(METRICS).index("profit")] and cause == "platform"
            mask = sum(2**n for n in differing)
            changes.append(((key, campaign, values), (key not in table, mask, "margin" if only_profit else cause)))
        return changes, sum(cause != "vanished" for _, _, cause in wanted.values())

    def _remainders(self, run, first_read):
        over = {part for part in self._days(run, FetchKind.ADS) if (run.now.date() - part[0]).days > 1}
        read = set(self._days(run, FetchKind.CAMPAIGNS)) | over | {(day, campaign) for _, campaign, day in first_read}
        leaves = defaultdict(lambda: [0] * 10)
        for (connection_id, _, _, day), (campaign, values, *_) in self.facts.items():
            leaves[connection_id, campaign, day] = [a + b for a, b in zip(leaves[connection_id, campaign, day], values, strict=True)]
        found = {}
        for (connection_id, level, campaign, day), (_, values, *_) in self.totals.items():
            if connection_id != run.connection_id or level != "campaign" or (day, campaign) not in read:
                continue
            key = (connection_id, campaign, day)
            rest = tuple(None if total is None else total - part for total, part in zip(values, leaves[key], strict=True))
            if rest != self.unreported[key][0] if key in self.unreported else any(rest):
                found[key] = rest
        return found


KEY = "connection_id, level, external_id, date"
ENTITY = "connection_id, level, external_id, parent_id, name, status, objective, attributes"
TEN = ", ".join(METRICS)


def stored(workspace):
    """What is stored, in the dictionary's words; every key must be there once."""
    found = Dictionary()
    with workspace.reading() as rows:
        for table, into in (("metric_facts", found.facts), ("platform_totals", found.totals)):
            for row in rows(f"SELECT {KEY}, campaign_id, {TEN}, first_seen_at, changed_at, run_id FROM {table}"):
                assert row[:4] not in into
                into[row[:4]] = (row[4], row[5:15], *row[15:])
        for row in rows(f"SELECT {ENTITY}, first_seen_at, changed_at, run_id FROM entities"):
            assert row[:3] not in found.entities
            found.entities[row[:3]] = (row[3:8], *row[8:])
        for row in rows(f"SELECT connection_id, campaign_id, date, {TEN}, changed_at, run_id FROM unreported"):
            assert row[:3] not in found.unreported
            found.unreported[row[:3]] = (row[3:13], *row[13:])
        for row in rows("SELECT * FROM sync_runs"):
            assert row[0] not in found.runs
            found.runs[row[0]] = row[1:]
        # The order in which the changes were made is part of what is asked for.
        found.metric_changes = rows(
            f"SELECT {KEY}, campaign_id, {TEN}, changed, cause, changed_at, run_id, generation FROM metric_changes "
            "ORDER BY changed_at, generation"
        )
        found.entity_changes = rows(f"SELECT {ENTITY}, changed_at, run_id, generation FROM entity_changes ORDER BY changed_at, generation")
    return found


def replayed(metric_changes):
    """Each key's last word: campaign, numbers, instant and run."""
    return {row[:4]: (row[4], row[5:15], *row[17:19]) for row in metric_changes}


numbers = st.sampled_from([1, 2, 10_000, -1, 2**60, -(2**60)])
any_numbers = numbers | st.sampled_from([LARGEST, SMALLEST])


@st.composite
def ten(draw, values):
    """Ten numbers: nearly always a usual set with at most one of them different, so that rows often repeat."""
    found = [draw(st.sampled_from([5, 5, 5, 0]))] * 10
    other = draw(st.sampled_from([*range(10), 9, 9, *[None] * 6]))
    if other is not None:
        found[other] = draw(values)
    return dict(zip(METRICS, found, strict=True))


@st.composite
def leaves(draw, days):
    """Rows of some ads on each day; now and then an ad's day comes twice."""
    rows = []
    for day in days:
        for ad in draw(st.sampled_from(["a1 a2 a9", "a1 a2", "a2 a9 a1 a9", "a1 a1", "a3 a2", ""])).split():
            campaign = UNTOTALLED if ad == "a9" else draw(st.sampled_from(["k1", "k1", "k1", "k2"]))
            values = draw(ten(any_numbers if ad == "a9" else numbers))
            rows.append({"external_id": ad, "campaign_id": campaign, "date": day, **values})
    return rows


@st.composite
def totals(draw, days):
    """Rows of some campaigns and of the account on each day; the account has no campaign."""
    rows = []
    for day in days:
        for campaign in draw(st.sampled_from(["k1 k2 account", "k1 k2", "k2 k1 k2", "k1", "account", ""])).split():
            values = draw(ten((any_numbers if campaign == "account" else numbers) | st.none()))
            key = {"level": "account", "campaign_id": ""} if campaign == "account" else {"campaign_id": campaign}
            rows.append({"external_id": campaign, "date": day, **key, **values})
    return rows


@st.composite
def entities(draw):
    rows = []
    known = [("ad", "a1"), ("ad", "a2"), ("ad", "a9"), ("campaign", "k1"), ("account", "account")]
    for level, external_id in draw(st.lists(st.sampled_from(known), max_size=6)):
        row = {"level": level, "external_id": external_id, "status": draw(st.sampled_from(["ACTIVE", "ACTIVE", "PAUSED", *GONE_STATUSES]))}
        row["parent_id"] = draw(st.sampled_from([None, "s1"]))
        row["name"] = draw(st.sampled_from(["Spring", None, "Été"]))
        row["objective"] = draw(st.sampled_from([None, "SALES"]))
        row["attributes"] = draw(st.sampled_from(["{}", '{"budget":1}']))
        rows.append(row)
    return rows


@st.composite
def answers(draw):
    """One answer as (kind, minute, since, until, rows); keys may repeat, days may be without rows."""
    ads, campaigns = [FetchKind.ADS] * 8, [FetchKind.CAMPAIGNS] * 4
    kind = draw(st.sampled_from([*ads, *campaigns, *(each for each in FetchKind if not each.has_dates)]))
    minute = draw(st.integers(0, 2))
    if not kind.has_dates:
        return kind, minute, None, None, draw(entities())
    days = draw(st.sampled_from([DAYS, DAYS, DAYS[:1], DAYS[:2], DAYS[1:]]))
    whole = CampaignRange(without=())
    of = draw(
        st.sampled_from([whole, whole, CampaignRange(only=("k1",)), CampaignRange(without=("k1",)), CampaignRange(only=("k2", "k0"))])
    )
    rows = [row for row in draw(leaves(days) if kind is FetchKind.ADS else totals(days)) if row["campaign_id"] in of]
    return kind, minute, days[-1], days[0], rows, of


FOUND = [{"external_id": f"a{n}", "name": "Spring"} for n in (1, 2, 9)]
WALK = (FetchKind.ENTITIES_FULL, 0, None, None, [*FOUND, {"level": "campaign", "external_id": "k1"}])
CONFIRMED = (FetchKind.ENTITIES_CONFIRMED, 2, None, None, WALK[-1])


@st.composite
def batches(draw):
    """Answers per connection, often with a lookup that finds most ads alive; whose lease is lost; time passed before."""
    answered = {}
    for connection_id in draw(st.sampled_from([["c1"], ["c1"], ["c1"], ["c1", "c2"]])):
        walk = draw(st.sampled_from([[], [WALK], [CONFIRMED], [WALK, CONFIRMED]]))
        answered[connection_id] = walk + draw(st.lists(answers(), min_size=1, max_size=3))
    lost = draw(st.sampled_from(["", "", "", "", "c1", "c2"]))
    return answered, lost, draw(st.sampled_from([timedelta(0), timedelta(hours=1), timedelta(days=1)]))


def batch_of(build, answered, generation, now):
    made = []
    for connection_id, fetched in answered.items():
        told = []
        for kind, minute, since, until, rows, *of in fetched:
            owned = [row | {"connection_id": connection_id} for row in rows]
            at = now - timedelta(minutes=5 - minute)
            say = {FetchKind.ADS: build.ads, FetchKind.CAMPAIGNS: build.totals}.get(kind)
            dated = {"since": since, "until": until, "campaigns": of[0]} if say else {}
            told.append(say(*owned, at=at, **dated) if say else build.heard(*owned, kind=kind, at=at))
        made.append(build.run(*told, generation=generation, connection_id=connection_id, now=now))
    return made


@examples(4)
@given(steps=st.lists(batches(), min_size=2, max_size=4), count=st.sampled_from([1, 3, 20_000]))
def test_any_sequence_of_answers_is_stored_as_a_dictionary_would(build, new_workspace, rows_at_once, steps, count):
    with rows_at_once(count):
        follow(build, new_workspace, steps)


def follow(build, new_workspace, steps):
    """Store the batches one after the other; everything told and stored is as the dictionary has it."""
    workspace, model, now = new_workspace(), Dictionary(), build.now
    for generation, (answered, lost, passed) in enumerate(steps, start=1):
        now += passed
        batch = batch_of(build, answered, generation, now)
        held = {run.run_id for run in batch if run.connection_id != lost}

        changes = workspace.warehouse.diff(batch)
        applied = workspace.apply(changes, holds_lease=lambda run_id, _, leased=held: run_id in leased)
        again = workspace.warehouse.diff([run for run in batch if run.run_id in held])

        assert applied == held
        for run, change in zip(batch, changes, strict=True):
            if run.run_id in held:
                counts, vanished = model.apply(run)
                got = change.counts
                assert (got.fetched, got.inserted, got.updated, got.unchanged, got.entities_changed) == counts
                assert got.fetched + vanished == got.inserted + got.updated + got.unchanged
        for change in again:
            assert change.empty
            assert (change.counts.inserted, change.counts.updated, change.counts.entities_changed) == (0, 0, 0)
            assert change.counts.unchanged == change.counts.fetched
        if model.runs:
            found = stored(workspace)
            assert found.facts == model.facts
            assert found.totals == model.totals
            assert found.entities == model.entities
            assert found.unreported == model.unreported
            assert Counter(found.metric_changes) == Counter(model.metric_changes)
            assert Counter(found.entity_changes) == Counter(model.entity_changes)
            assert found.runs == model.runs
            assert replayed(found.metric_changes) == {key: (*row[:2], *row[3:]) for key, row in found.facts.items()}
        else:
            assert not workspace.path.exists()
