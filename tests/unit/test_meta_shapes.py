"""What a row of Meta's reports and edges must have, and what each thing that it lacks costs."""

import contextlib
import json
from datetime import date, timedelta

import pyarrow as pa
import pytest
from connecting import unstored
from hypothesis import given
from hypothesis import strategies as st

from adpulse.errors import SeveralDays, Unavailable, Unreadable
from adpulse.metrics import METRICS
from adpulse.model import Level
from adpulse.platforms.meta import normalise
from adpulse.platforms.meta.metrics import SOURCES
from adpulse.platforms.meta.shapes import next_cursor
from adpulse.refused_rows import LARGEST

DAY = date(2026, 3, 20)
ROW = {"ad_id": "1", "adset_id": "2", "campaign_id": "3", "date_start": "2026-03-20", "date_stop": "2026-03-20", "clicks": "4"}
CONNECTION = unstored(id="c", external_id="77")


def answer(*rows, level=Level.AD, days=(DAY, DAY)):
    return normalise.metrics(level, rows, CONNECTION, days)


def refusal(**changed):
    """Why a row is refused that is right but for this; its neighbour is not."""
    told = answer(ROW | changed, ROW | {"ad_id": "9"})
    assert told.rows["external_id"].to_pylist() == ["9"]
    (row,) = told.refused.to_pylist()
    assert (row["level"], row["external_id"], row["date"]) == ("ad", "1", DAY)
    return row["reason"]


def action(kind, value):
    return {"action_type": kind, "value": value}


@pytest.mark.parametrize("value", ["²", "٣", "-1", "1.5", "", "n/a", True, 1.0, [], {}, "9" * 5000])
def test_what_is_no_count_costs_its_row(value):
    assert refusal(clicks=value).startswith("clicks: ")


@pytest.mark.parametrize("value", ["NaN", "Infinity", "twelve", "", {}, [], True, "1e999999999", str(LARGEST)])
def test_what_is_no_amount_costs_its_row(value):
    assert refusal(spend=value).startswith("spend: ")


@pytest.mark.parametrize("value", [None, "", " ", 1.5, True, [], {}])
def test_a_row_without_its_campaign_is_refused(value):
    assert refusal(campaign_id=value) == "campaign_id: missing"


@pytest.mark.parametrize("field", ["actions", "action_values"])
@pytest.mark.parametrize("value", ["7", {}, 7, [7], [None], [{"value": "1"}], [{"action_type": 7, "value": "1"}]])
def test_what_is_no_list_of_actions_costs_its_row(field, value):
    assert refusal(**{field: value}).startswith(f"{field}: not a list")


@pytest.mark.parametrize("kind", ["omni_purchase", "of no metric"])
def test_an_action_type_that_occurs_twice_costs_its_row(kind):
    assert refusal(actions=[action(kind, "1"), action("lead", "1"), action(kind, "1")]) == f"actions: {kind} occurs twice"


def test_an_action_whose_value_is_no_number_costs_its_row():
    assert refusal(actions=[action("omni_purchase", "many")]) == "omni_purchase: not a number"


def test_numbers_that_only_add_up_to_too_much_cost_their_row():
    half = str(LARGEST // 1_000_000)

    assert refusal(actions=[action("purchase", half), action("lead", half)]) == "conversions: too large"


@pytest.mark.parametrize(
    "absent", [{}, {"clicks": None}, {"actions": None}, {"action_values": None}, {"spend": None}, {"actions": [action("purchase", None)]}]
)
def test_what_is_null_or_absent_is_zero_for_ads(absent):
    (row,) = answer({name: value for name, value in ROW.items() if name != "clicks"} | absent).rows.to_pylist()

    assert {row[name] for name in METRICS} == {0}


def test_actions_that_are_null_in_totals_are_unknown_as_those_that_are_absent():
    (row,) = answer(ROW | {"actions": None, "spend": "1"}, level=Level.CAMPAIGN).rows.to_pylist()

    assert {name for name, value in row.items() if value is None} == {name for name in SOURCES if SOURCES[name].of_actions} | {"profit"}


def test_a_number_as_an_id_is_the_same_id():
    told = answer(ROW | {"ad_id": 120210000000000001, "campaign_id": 3})

    assert told.rows.select(["external_id", "campaign_id"]).to_pylist() == [{"external_id": "120210000000000001", "campaign_id": "3"}]


@pytest.mark.parametrize("row", [None, "row", 7, [], {}, ROW | {"ad_id": None}, ROW | {"ad_id": ""}, ROW | {"ad_id": 1.5}])
def test_a_row_whose_entity_cannot_be_told_costs_the_read(row):
    with pytest.raises(Unreadable, match="ad_id in a report of account 77"):
        answer(ROW, row)


@pytest.mark.parametrize("day", [None, "", "yesterday", "2026-03-19", "2026-03-21", 20260320, ["2026-03-20"]])
def test_a_row_whose_day_cannot_be_told_or_was_not_requested_costs_the_read(day):
    with pytest.raises(Unreadable, match="account 77"):
        answer(ROW, ROW | {"date_start": day, "date_stop": day})


def test_a_row_of_several_days_is_told_apart():
    with pytest.raises(SeveralDays, match="2026-03-19 to 2026-03-20"):
        answer(ROW | {"date_start": "2026-03-19"}, days=(DAY - timedelta(days=1), DAY))


def test_names_of_any_type_name_what_they_can():
    told = answer(ROW | {"ad_name": 7, "adset_name": {"odd": 1}, "campaign_name": "C"}).names.to_pylist()

    assert {(row["level"], row["external_id"], row["name"]) for row in told} == {("ad", "1", "7"), ("campaign", "3", "C")}


ENTITY = {"id": "1", "name": "A", "effective_status": "ACTIVE", "adset_id": "2"}


def walked(*rows):
    return normalise.entities(Level.AD, rows, "c")


@pytest.mark.parametrize(
    ("row", "external_id", "reason"),
    [
        (None, None, "id: missing"),
        ({"name": "A"}, None, "id: missing"),
        (ENTITY | {"effective_status": None}, "1", "effective_status: missing"),
        (ENTITY | {"effective_status": []}, "1", "effective_status: missing"),
        (ENTITY | {"creative": json.loads("[" * 400 + "]" * 400)}, "1", "attributes: too deep"),
    ],
)
def test_an_odd_entity_costs_itself(row, external_id, reason):
    told = walked(row, ENTITY | {"id": "9"})

    assert told.rows["external_id"].to_pylist() == ["9"]
    assert [(each["external_id"], each["reason"]) for each in told.refused.to_pylist()] == [(external_id, reason)]


def test_a_status_that_nobody_knows_is_kept():
    (row,) = walked(ENTITY | {"effective_status": "IN_ORBIT", "name": 7, "adset_id": {}}).rows.to_pylist()

    assert (row["status"], row["name"], row["parent_id"]) == ("IN_ORBIT", "7", None)


@pytest.mark.parametrize(
    ("paging", "cursor"),
    [
        (None, None),
        ({}, None),
        ({"cursors": {"after": "a"}}, None),
        ({"next": "https://host/x?after=a%3D&access_token=EAA", "cursors": {"after": "b"}}, "b"),
        ({"next": "https://host/x?after=a%3D&access_token=EAA"}, "a="),
        ({"next": "https://host/x?after=a", "cursors": None}, "a"),
        ({"next": "https://host/x?after=a", "cursors": {"after": 7}}, "a"),
    ],
)
def test_the_next_cursor_is_taken_out_of_the_link_where_there_are_no_cursors(paging, cursor):
    assert next_cursor({"data": [], "paging": paging}, "account 77") == cursor


@pytest.mark.parametrize("paging", ["more", [1], {"next": "https://host/x"}, {"next": 7}, {"next": "http://[", "cursors": []}])
def test_a_next_page_that_cannot_be_asked_for_is_no_end(paging):
    with pytest.raises(Unavailable, match="do not end"):
        next_cursor({"data": [], "paging": paging}, "account 77")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["action_type", "value", "x"]), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from([*ROW, "impressions", "spend", "actions", "action_values", "ad_name"])


@given(st.dictionaries(FIELDS, JSON, max_size=3))
def test_whatever_a_row_holds_its_neighbours_are_read(odd):
    """Only a row whose entity or day is unknown costs more than itself."""
    key = {name: odd.pop(name) for name in ("ad_id", "date_start", "date_stop") if name in odd}

    told = answer(ROW | odd, ROW | {"ad_id": "9"})

    assert set(told.rows["external_id"].to_pylist()) | set(told.refused["external_id"].to_pylist()) == {"1", "9"}
    assert "9" in told.rows["external_id"].to_pylist()
    if key:
        with contextlib.suppress(Unreadable):
            answer(ROW | key)


@given(st.lists(JSON | st.dictionaries(st.sampled_from(["id", "name", "effective_status", "adset_id", "x"]), JSON), max_size=4))
def test_whatever_an_edge_lists_the_right_rows_are_read(odd):
    told = walked(*odd, ENTITY | {"id": "right"})

    assert "right" in told.rows["external_id"].to_pylist()
    assert told.rows.schema.field("status").type == pa.string()
