"""What a run fetched survives every restart as it was, or is refused; it is never shorter than it was."""

import json
import tempfile
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from disk import files_no_longer_than
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from adpulse.errors import DiskFull, Permanent
from adpulse.fetch_result import FetchResult
from adpulse.metric_rows import METRIC_SCHEMA
from adpulse.metrics import METRICS
from adpulse.model import Fetch, FetchKind, Heat, Lane
from adpulse.planner.plan import Plan
from storage.staging import Staging

MOMENT = datetime(2026, 3, 20, 15, 0, tzinfo=UTC)
LARGEST, SMALLEST = 2**63 - 1, -(2**63)

moments = st.datetimes(timezones=st.just(UTC))
fetches = st.builds(
    Fetch,
    kind=st.sampled_from(FetchKind),
    heat=st.sampled_from(Heat),
    cost=st.integers(0, 10_000),
    since=st.none() | st.dates(),
    until=st.none() | st.dates(),
    changed_since=st.none() | moments,
)
rows = st.fixed_dictionaries(
    {
        "connection_id": st.just("c1"),
        "level": st.sampled_from(["ad", "campaign"]),
        "external_id": st.text(max_size=5),
        "campaign_id": st.text(max_size=5),
        "date": st.dates(),
        **{metric: st.none() | st.integers(SMALLEST, LARGEST) for metric in METRICS},
    }
)


@pytest.fixture
def staging(tmp_path):
    return Staging(tmp_path / "staging")


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "staging" / "r1"


@pytest.fixture
def changes(workspace, build):
    """What a first sync is about to change: every table has a row."""
    run = build.run(
        build.walk({"name": "Été"}), build.ads({"spend": LARGEST - 5}), build.totals({"spend": LARGEST, "leads": None}), run_id="r1"
    )
    (change,) = workspace.warehouse.diff([run])
    return change


def same(one, other):
    """Whether two results are equal, tables compared by their rows and columns."""
    assert type(one) is type(other)
    for name in one.__dataclass_fields__:
        left, right = getattr(one, name), getattr(other, name)
        assert left.equals(right, check_metadata=True) if isinstance(left, pa.Table) else left == right, name


# Round trips


@settings(max_examples=30)
@given(
    planned=st.builds(
        Plan,
        fetches=st.lists(fetches, max_size=6).map(tuple),
        until=st.none() | moments,
        reason=st.none() | st.text(max_size=20),
        lane=st.sampled_from(Lane),
    ),
    generation=st.integers(1, 10**9),
)
def test_a_plan_comes_back_as_it_was_in_its_order(planned, generation):
    with tempfile.TemporaryDirectory() as root:
        Staging(Path(root)).save_plan("r1", generation, planned)

        found = Staging(Path(root))

        assert (found.plan("r1"), found.planned_generation("r1")) == (planned, generation)


@settings(max_examples=30)
@given(fetch=fetches, at=moments, said=st.lists(rows, max_size=4))
def test_an_answer_comes_back_as_it_was(fetch, at, said):
    answer = FetchResult(fetch=fetch, fetched_at=at, table=pa.Table.from_pylist(said, schema=METRIC_SCHEMA))
    with tempfile.TemporaryDirectory() as root:
        Staging(Path(root)).write("r1", answer)

        (found,) = Staging(Path(root)).read("r1")

        same(found, answer)


@settings(max_examples=30)
@given(one=fetches, other=fetches)
def test_two_fetches_share_a_file_exactly_if_they_ask_for_the_same(one, other):
    asked = [(fetch.kind, fetch.since, fetch.until, fetch.changed_since) for fetch in (one, other)]
    with tempfile.TemporaryDirectory() as root:
        Staging(Path(root)).write("r1", FetchResult(fetch=one, fetched_at=MOMENT, table=METRIC_SCHEMA.empty_table()))

        found = Staging(Path(root)).has("r1", other)

    assert found == (asked[0] == asked[1])


@settings(max_examples=30)
@given(fetch=fetches, heat=st.sampled_from(Heat), cost=st.integers(0, 99))
def test_heat_and_cost_do_not_matter_to_what_is_there(fetch, heat, cost):
    with tempfile.TemporaryDirectory() as root:
        Staging(Path(root)).write("r1", FetchResult(fetch=fetch, fetched_at=MOMENT, table=METRIC_SCHEMA.empty_table()))

        found = Staging(Path(root)).has("r1", replace(fetch, heat=heat, cost=cost))

    assert found


@settings(max_examples=30)
@given(fetch=fetches, until=st.dates(), cursor=moments)
def test_another_end_or_another_cursor_is_another_answer(fetch, until, cursor):
    assume(until != fetch.until)
    assume(cursor != fetch.changed_since)
    with tempfile.TemporaryDirectory() as root:
        Staging(Path(root)).write("r1", FetchResult(fetch=fetch, fetched_at=MOMENT, table=METRIC_SCHEMA.empty_table()))

        found = [Staging(Path(root)).has("r1", replace(fetch, **change)) for change in ({"until": until}, {"changed_since": cursor})]

    assert found == [False, False]


def test_changes_come_back_as_they_were(staging, changes):
    staging.write_changes(changes)

    found = staging.changes("r1")

    same(found, changes)
    assert [getattr(found, name).num_rows for name in ("facts", "totals", "entities", "unreported")] == [1, 1, 1, 1]


def test_changes_of_nothing_come_back_too(staging, workspace, build):
    (empty,) = workspace.warehouse.diff([build.run(build.ads(), run_id="r1")])

    staging.write_changes(empty)

    same(staging.changes("r1"), empty)
    assert staging.changes("r1").empty


def test_changes_that_came_back_are_applied_like_the_originals(staging, workspace, changes):
    staging.write_changes(changes)

    applied = workspace.apply([staging.changes("r1")])

    assert applied == {"r1"}
    assert workspace.value("SELECT spend FROM metric_facts") == LARGEST - 5
    assert workspace.row("SELECT spend, leads FROM unreported") == (5, None)


def test_answers_come_oldest_first(staging, build):
    at = [build.now + timedelta(minutes=n) for n in (2, 0, 1)]
    answers = [build.ads(at=at[0]), build.totals(at=at[1]), build.walk(at=at[2])]

    for answer in answers:
        staging.write("r1", answer)

    assert [one.fetch.kind for one in staging.read("r1")] == [FetchKind.CAMPAIGNS, FetchKind.ENTITIES_FULL, FetchKind.ADS]


def test_the_same_fetch_again_replaces_its_answer(staging, build):
    staging.write("r1", build.ads({"spend": 1}, {"external_id": "a2"}))

    staging.write("r1", build.ads({"spend": 2}, at=build.now + timedelta(minutes=1)))

    (found,) = staging.read("r1")
    same(found, build.ads({"spend": 2}, at=build.now + timedelta(minutes=1)))


def test_later_changes_replace_earlier_ones(staging, changes):
    staging.write_changes(changes)

    staging.write_changes(replace(changes, generation=2, facts=changes.facts.slice(0, 0)))

    found = staging.changes("r1")
    assert (found.generation, found.facts.num_rows, found.totals.num_rows) == (2, 0, 1)


def test_a_run_without_anything_has_nothing(staging, build):
    assert staging.plan("r1") is None
    assert staging.read("r1") == []
    assert staging.changes("r1") is None
    assert not staging.has("r1", build.ads().fetch)
    assert staging.runs() == []


def test_runs_do_not_see_each_other(staging, build):
    staging.write("r1", build.ads({}))
    staging.save_plan("r2", 1, Plan(fetches=(build.ads().fetch,)))

    assert staging.read("r2") == []
    assert staging.plan("r1") is None
    assert not staging.has("r2", build.ads().fetch)
    assert staging.runs() == ["r1", "r2"]


def test_a_removed_run_is_forgotten_and_the_others_stay(staging, build, changes):
    staging.save_plan("r1", 1, Plan(fetches=(build.ads().fetch,)))
    staging.write("r1", build.ads({}))
    staging.write_changes(changes)
    staging.write("r2", build.ads({}))

    staging.remove("r1")
    staging.remove("never-there")

    assert staging.runs() == ["r2"]
    assert (staging.plan("r1"), staging.read("r1"), staging.changes("r1")) == (None, [], None)
    assert len(staging.read("r2")) == 1


def test_a_sweep_removes_what_closed_runs_left_and_asks_only_when_something_lies_there(staging, build):
    asked = []

    def still_open():
        asked.append(True)
        return {"r2", "r3"}

    assert (staging.sweep(still_open), asked) == ([], [])
    staging.write("r1", build.ads({}))
    staging.write("r2", build.ads({}))

    assert staging.sweep(still_open) == ["r1"]
    assert staging.runs() == ["r2"]


# Damage


def write_all(staging, build, changes):
    staging.save_plan("r1", 1, Plan(fetches=(build.ads().fetch, build.totals().fetch)))
    staging.write("r1", build.ads(*({"external_id": f"a{n}"} for n in range(50))))
    staging.write_changes(changes)


def answer_file(folder):
    (path,) = folder.glob("*.arrow")
    return path


FILES = {
    "plan": (lambda folder: folder / "plan.json", lambda staging: staging.plan("r1")),
    "answer": (answer_file, lambda staging: staging.read("r1")),
    "changes": (lambda folder: folder / "changes.zip", lambda staging: staging.changes("r1")),
}


@pytest.mark.parametrize("which", FILES)
def test_a_truncated_file_is_refused_by_name_wherever_it_ends(staging, folder, build, changes, which):
    write_all(staging, build, changes)
    find, read = FILES[which]
    path = find(folder)
    whole = path.read_bytes()

    for length in {0, 1, 2, 8, len(whole) - 1, *range(3, len(whole), max(1, len(whole) // 50))}:
        path.write_bytes(whole[:length])
        with pytest.raises(Permanent) as refused:
            read(staging)
        assert str(refused.value) == f"{path} is damaged. Nothing of the run was applied; remove its folder and sync again."


@pytest.mark.parametrize("which", FILES)
@pytest.mark.parametrize("content", [b"", b"\x00" * 200, b"not one of ours", b"\xff\xfe[]", b"[1]", b"null"])
def test_a_file_of_something_else_is_refused_by_name(staging, folder, build, changes, which, content):
    write_all(staging, build, changes)
    find, read = FILES[which]
    path = find(folder)
    path.write_bytes(content)

    with pytest.raises(Permanent) as refused:
        read(staging)

    assert str(refused.value) == f"{path} is damaged. Nothing of the run was applied; remove its folder and sync again."


def flipped(path, step):
    """Overwrites the file once per position and kind of damage: one byte of it is another one."""
    whole = path.read_bytes()
    for position in [*range(0, len(whole) - 600, step), *range(max(0, len(whole) - 600), len(whole), 3)]:
        for flip in (0x01, 0xFF):
            path.write_bytes(whole[:position] + bytes([whole[position] ^ flip]) + whole[position + 1 :])
            yield


def unless_damaged(path, read):
    """What was read, or None when the file was refused by its name."""
    try:
        return read()
    except Permanent as error:
        if str(error) != f"{path} is damaged. Nothing of the run was applied; remove its folder and sync again.":
            raise
        return None


def test_changes_with_any_flipped_byte_are_refused_or_equal(staging, folder, changes):
    staging.write_changes(changes)
    path = folder / "changes.zip"

    found = [unless_damaged(path, lambda: staging.changes("r1")) for _ in flipped(path, 41)]

    assert found.count(None) > len(found) / 2
    for each in found:
        if each:
            same(each, changes)


@pytest.mark.parametrize("field", ["flags", "method", "version"])
def test_changes_whose_archive_asks_for_the_impossible_are_refused(staging, folder, changes, field):
    staging.write_changes(changes)
    path = folder / "changes.zip"
    content = bytearray(path.read_bytes())
    entry = content.index(b"PK\x01\x02")
    content[entry + {"version": 6, "flags": 8, "method": 10}[field]] ^= 0x81
    path.write_bytes(content)

    with pytest.raises(Permanent, match=r"changes\.zip is damaged"):
        staging.changes("r1")


def test_an_answer_with_any_flipped_byte_is_never_shorter(staging, folder, build):
    staging.write("r1", build.ads({}, {"external_id": "a2"}))
    path = answer_file(folder)

    found = [unless_damaged(path, lambda: staging.read("r1")) for _ in flipped(path, 19)]

    assert {one.table.num_rows for answers in found if answers for one in answers} == {2}
    assert None in found


def test_changes_without_one_of_their_tables_are_refused(staging, folder, changes):
    staging.write_changes(changes)
    path = folder / "changes.zip"
    content = path.read_bytes().replace(b"unreported.arrow", b"something.arrow!")
    path.write_bytes(content)

    with pytest.raises(Permanent, match=r"changes\.zip is damaged"):
        staging.changes("r1")


def test_an_arrow_file_that_says_not_what_it_answers_is_refused(staging, folder, build):
    folder.mkdir(parents=True)
    path = folder / "ads-foreign.arrow"
    with pa.ipc.new_file(str(path), METRIC_SCHEMA) as writer:
        writer.write_table(build.metrics({}))

    with pytest.raises(Permanent, match=r"ads-foreign\.arrow is damaged"):
        staging.read("r1")


def test_a_plan_of_unknown_fetches_is_refused(staging, folder, build):
    staging.save_plan("r1", 1, Plan(fetches=(build.ads().fetch,)))
    path = folder / "plan.json"
    told = json.loads(path.read_text())
    (item,) = told["fetches"]

    for broken in (item | {"kind": "weather"}, item | {"since": "yesterday"}, {"kind": "ads"}):
        path.write_text(json.dumps(told | {"fetches": [broken]}))
        with pytest.raises(Permanent, match=r"plan\.json is damaged"):
            staging.plan("r1")


def test_a_foreign_file_among_the_answers_is_refused(staging, folder, build):
    staging.write("r1", build.ads({}))
    (folder / "notes.txt").write_text("mine")

    with pytest.raises(Permanent, match=r"notes\.txt is not a staged answer"):
        staging.read("r1")


# Half-written files


def test_a_half_written_answer_is_not_seen(staging, folder, build):
    many = build.ads(*({"external_id": f"a{n}"} for n in range(500)))

    with files_no_longer_than(4096), pytest.raises(DiskFull, match="Free some space"):
        staging.write("r1", many)

    assert list(folder.iterdir()) == []
    assert not staging.has("r1", many.fetch)
    assert staging.read("r1") == []


def test_a_half_written_answer_leaves_the_one_before(staging, build):
    staging.write("r1", build.ads({"spend": 1}))

    with files_no_longer_than(4096), pytest.raises(DiskFull, match="Free some space"):
        staging.write("r1", build.ads(*({"external_id": f"a{n}"} for n in range(500))))

    (found,) = staging.read("r1")
    same(found, build.ads({"spend": 1}))


def test_half_written_changes_and_plans_are_not_seen(staging, build, changes):
    plan = Plan(fetches=tuple(build.fetch(FetchKind.ADS, since=date(2026, 1, day)) for day in range(1, 31)))

    with files_no_longer_than(500):
        with pytest.raises(DiskFull, match="Free some space"):
            staging.write_changes(changes)
        with pytest.raises(DiskFull, match="Free some space"):
            staging.save_plan("r1", 1, plan)

    assert staging.changes("r1") is None
    assert staging.plan("r1") is None
    assert staging.read("r1") == []


def test_a_half_written_file_is_overwritten_by_the_next_attempt(staging, folder, build):
    with files_no_longer_than(100), pytest.raises(DiskFull, match="Free some space"):
        staging.write("r1", build.ads({"spend": 1}))

    staging.write("r1", build.ads({"spend": 2}))

    (found,) = staging.read("r1")
    same(found, build.ads({"spend": 2}))
    assert [path.suffix for path in folder.iterdir()] == [".arrow"]
