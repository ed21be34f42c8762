"""Totals and remainders keep every change, so that the course of a day ends at the day's numbers."""

from datetime import timedelta
from decimal import Decimal

from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from repeats import examples

from adpulse.metrics import METRICS

ADDITIVE = [name for name, metric in METRICS.items() if metric.additive]
SUMS = f"SELECT connection_id, date, {', '.join(f'sum({name})' for name in ADDITIVE)} FROM daily GROUP BY ALL ORDER BY ALL"
"""A day of nothing but zeros may have no row."""
LAST = f"""
    SELECT connection_id, date, {", ".join(ADDITIVE)} FROM intraday
    QUALIFY row_number() OVER (PARTITION BY connection_id, date ORDER BY changed_at DESC) = 1
    ORDER BY ALL
"""
HISTORY = "SELECT level, external_id, spend, cause FROM total_changes ORDER BY changed_at, level"
CAMPAIGNS = ("k1", "k2")


def numbers(rows):
    """Days with numbers; what is not known counts as nothing."""
    return [(connection, day, *(value or 0 for value in values)) for connection, day, *values in rows if any(values)]


def units(spend, revenue=0):
    return {"spend": spend * 1_000_000, "revenue": revenue * 1_000_000, "profit": (revenue // 2 - spend) * 1_000_000}


@st.composite
def syncs(draw):
    """What each of a few syncs reads, leaves or totals or both: per campaign the spend of its leaf and of itself, and of the account."""
    numbers = st.integers(0, 4).map(lambda n: 10 * n)
    reads = st.fixed_dictionaries({"leaves": st.booleans(), "totals": st.booleans(), "account": st.booleans()})
    campaigns = st.dictionaries(st.sampled_from(CAMPAIGNS), st.tuples(numbers, numbers))
    return draw(st.lists(st.tuples(reads, campaigns, numbers), min_size=1, max_size=4))


def answers_of(build, reads, campaigns, account, day):
    """Silent totals report no revenue, as Meta's without actions."""
    dated = {"since": day, "until": day}
    own = [(name, {"campaign_id": name, "date": day}, leaf, more) for name, (leaf, more) in campaigns.items()]
    leaves = [{"external_id": f"a-{name}", **key, **units(leaf, leaf)} for name, key, leaf, _ in own if leaf]
    totals = [{"external_id": name, **key, **units(leaf + more, leaf)} for name, key, leaf, more in own if leaf + more]
    silent = [row | {"revenue": None, "profit": None} if row["spend"] > 40_000_000 else row for row in totals]
    whole = {"date": day, **units(account + sum(leaf + more for leaf, more in campaigns.values()))}
    answers = {"leaves": build.ads(*leaves, **dated), "totals": build.totals(*silent, **dated), "account": build.account(whole, **dated)}
    return [answer for name, answer in answers.items() if reads[name]]


@given(history=syncs(), past=st.booleans(), remargined=st.booleans())
@examples(3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_course_of_a_day_ends_at_the_sum_of_its_rows(new_workspace, build, history, past, remargined):
    workspace = new_workspace()
    day = build.today - timedelta(days=5 if past else 0)
    for generation, (reads, campaigns, account) in enumerate(history, start=1):
        workspace.sync(build.run(*answers_of(build, reads, campaigns, account, day), generation=generation, provider="google"))
        if workspace.path.exists():
            assert numbers(workspace.rows(LAST)) == numbers(workspace.rows(SUMS))
    if remargined and workspace.path.exists():
        workspace.sync(build.run(generation=99, gross_margin=Decimal("0.7"), provider="google"))
        assert numbers(workspace.rows(LAST)) == numbers(workspace.rows(SUMS))


def test_a_remainder_and_its_total_keep_every_change(workspace, build):
    workspace.sync(build.run(build.ads(units(10)), build.totals(units(15)), build.account(units(18))))
    workspace.sync(build.run(build.ads(units(20)), generation=2))
    workspace.sync(build.run(build.totals(units(21)), build.account(units(21)), generation=3))

    assert workspace.rows(HISTORY) == [
        ("account", "1", 18_000_000, "platform"),
        ("campaign", "k1", 15_000_000, "platform"),
        ("not_by_campaign", "", 3_000_000, "platform"),
        ("unreported", "k1", 5_000_000, "platform"),
        ("account", "1", 21_000_000, "platform"),
        ("campaign", "k1", 21_000_000, "platform"),
        ("not_by_campaign", "", 0, "platform"),
        ("unreported", "k1", 1_000_000, "platform"),
    ]
    assert workspace.rows("SELECT changed_at, spend FROM intraday ORDER BY ALL") == [
        (build.now + timedelta(minutes=1), 18),
        (build.now + timedelta(minutes=2), 28),
        (build.now + timedelta(minutes=3), 21),
    ]


def test_a_change_of_a_remainder_says_which_metrics_moved_and_whether_only_the_margin_did(workspace, build):
    workspace.sync(build.run(build.ads(units(10)), build.totals(units(15) | {"clicks": 3, "revenue": 8_000_000})))
    workspace.sync(build.run(generation=2, gross_margin=Decimal("0.7")))

    of_remainder = "SELECT changed, cause FROM total_changes WHERE level = 'unreported' ORDER BY changed_at"
    bits = {name: METRICS[name].bit for name in ("clicks", "spend", "revenue", "profit")}
    assert workspace.rows(of_remainder) == [(sum(bits.values()), "platform"), (bits["profit"], "margin")]


def test_an_older_file_gets_a_baseline_of_each_stored_total_and_remainder(workspace, build):
    workspace.sync(build.run(build.ads(units(10)), build.totals(units(15)), build.account(units(18))))
    sums = workspace.rows(SUMS)
    workspace.downgrade(8)

    workspace.sync(build.run(build.ads(units(12)), generation=2))

    assert workspace.rows("SELECT level, external_id, campaign_id, spend, cause, generation FROM total_changes ORDER BY level") == [
        ("account", "1", "", 18_000_000, "baseline", 0),
        ("campaign", "k1", "k1", 15_000_000, "baseline", 0),
        ("not_by_campaign", "", "", 3_000_000, "baseline", 0),
        ("unreported", "k1", "k1", 5_000_000, "baseline", 0),
    ]
    assert workspace.rows(LAST) == workspace.rows(SUMS) != sums


def test_a_change_without_its_key_cannot_be_stored(workspace, build):
    workspace.sync(build.run(build.totals(units(15))))

    columns = workspace.rows("SELECT column_name FROM duckdb_columns() WHERE table_name = 'total_changes' AND is_nullable")
    assert {name for (name,) in columns} == set(METRICS)


def test_what_was_known_at_an_instant_is_what_daily_had_then_and_how_fine_the_history_is(workspace, build):
    known, columns = {}, "level, campaign_id, name, spend, profit"
    for generation, (leaf, total) in enumerate(((10, 15), (20, 21), (20, 35)), start=1):
        workspace.sync(build.run(build.ads(units(leaf)), build.totals(units(total)), generation=generation))
        known[build.now + timedelta(minutes=generation)] = sorted(
            workspace.rows("SELECT level, campaign_id, name, spend, profit FROM daily")
        )

    for at, rows in known.items():
        moment = at + timedelta(seconds=30)
        assert sorted(workspace.rows(f"SELECT {columns} FROM as_of(?)", [moment])) == rows
        (around,) = set(workspace.rows("SELECT known_at, next_known_at, whole FROM as_of(?)", [moment]))
        assert around == (at, next((later for later in known if later > at), None), True)
    assert workspace.rows("FROM as_of(?)", [build.now]) == []


def test_an_older_file_says_where_its_remainders_have_no_history(workspace, build):
    workspace.sync(build.run(build.ads(units(10))))
    workspace.sync(build.run(build.ads(units(10)), build.totals(units(15)), generation=2))
    workspace.downgrade(8)
    workspace.sync(build.run(build.ads(units(12)), generation=3))

    of_moment = "SELECT sum(spend), bool_and(whole) FROM as_of(?)"
    assert workspace.row(of_moment, [build.now + timedelta(seconds=90)]) == (10, False)
    assert workspace.row(of_moment, [build.now + timedelta(seconds=150)]) == (15, True)
