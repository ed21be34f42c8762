"""What the health page counts: each platform's calls by the minute."""

from datetime import timedelta

import pytest
from sqlalchemy import insert

from adpulse.model import Heat
from storage.control.overview import Overview
from storage.control.tables import CallRow

MICROSECOND = timedelta(microseconds=1)


@pytest.fixture
def overview(plane):
    plane.connect("1")
    plane.connect("2", provider="google", scope="google")
    return Overview(plane.engine, plane.clock, wall=plane.wall)


def called(plane, key, *ages):
    """Calls of an account so long ago."""
    rows = [{"key": key, "scope": "s", "at": plane.clock.now() - age, "heat": Heat.HOT.value} for age in ages]
    with plane.engine.begin() as session:
        session.execute(insert(CallRow), rows)


def counts(overview, **wanted):
    """The minutes in which each platform was called, with how often."""
    by_minute = overview.calls_by_minute(**wanted)
    return {provider: {minute: count for minute, count in enumerate(minutes) if count} for provider, minutes in by_minute.items()}


def test_each_call_counts_in_its_minute_to_the_microsecond(plane, overview):
    minutes = [timedelta(minutes=minute) for minute in range(60)]
    called(plane, "meta:1", *minutes, *(minute + timedelta(minutes=1) - MICROSECOND for minute in minutes))

    assert counts(overview)["meta"] == dict.fromkeys(range(60), 2)


def test_a_call_dated_after_now_is_of_the_last_minute_and_one_of_before_the_hour_of_none(plane, overview):
    called(plane, "meta:1", -timedelta(seconds=3), timedelta(hours=1), timedelta(hours=2))

    assert counts(overview)["meta"] == {59: 1}


def test_calls_are_each_platforms_and_of_the_workspaces_accounts_alone(plane, overview):
    called(plane, "meta:1", timedelta(minutes=5), timedelta(minutes=5))
    called(plane, "google:2", timedelta(minutes=5))
    called(plane, "google:3", timedelta(minutes=5))
    other = plane.workspaces.create("Borealis").id

    assert counts(overview) == counts(overview, workspace_id=plane.workspace.id) == {"meta": {54: 2}, "google": {54: 1}}
    assert counts(overview, workspace_id=other) == {"meta": {}, "google": {}}
