"""The frequency chooser says what each frequency will really be, as the planner reports it once it is chosen."""

import re

import pytest
from many_accounts import add_accounts

from adpulse.frequency import allowed, format_duration
from adpulse.services.frequency_choices import cadences_of_choices

CHOICES = allowed(realtime_granted=False)


@pytest.fixture
def crowded(set_up, installation, team):  # noqa: ARG001 - the installation is the team's
    """One of 52 accounts that share a Google Cloud project with basic access, most of them at five minutes."""
    app = set_up(ADPULSE_GOOGLE_ACCESS="basic")
    connection = installation.connect("Alpenglow Reisen", "hourly")
    add_accounts(installation, connection, 51, sync_frequency="5min", ad_count=730, campaign_count=31, asset_group_count=2)
    return app, connection


def test_each_choice_has_the_cadence_that_it_leads_to(crowded):
    app, connection = crowded
    for reference in (connection.id, "many-1"):
        stored = app.connections.get(reference).connection
        offered = cadences_of_choices(app, [stored], CHOICES)[reference]

        reached = {}
        for frequency in CHOICES:
            chosen = app.connections.set_frequency(reference, frequency).connection
            reached[frequency] = app.cadences([chosen])[reference]

        assert offered == reached
        assert reached["5min"].limited_by
        assert not reached["daily"].limited_by
        app.connections.set_frequency(reference, stored.frequency)


def test_the_chooser_says_what_the_limits_make_of_a_frequency(crowded, browser, visit, team):
    app, connection = crowded
    cadence = cadences_of_choices(app, [connection], CHOICES)[connection.id]

    editor = visit(browser(team.editor), "GET", f"/connections/{connection.id}").text
    viewer = visit(browser(team.viewer), "GET", f"/connections/{connection.id}").text

    options = re.findall(r"<option value=\"(\w+)\"[^>]*>([^<]+)</option>", editor)
    assert ("5min", f"Every 5 minutes (really every {format_duration(cadence['5min'].interval)})") in options
    assert ("daily", "Daily") in options
    assert "really every" not in viewer
