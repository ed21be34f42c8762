"""When a sandbox's world begins: with the machine's minute where the command is given no instant, and what follows its clock."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from google.ads.googleads.errors import GoogleAdsException
from google_sdk import Ads
from typer.testing import CliRunner

from adpulse.cli import cli
from adpulse.cli.processes import process
from adpulse_sandbox import Sandbox
from adpulse_sandbox.google.truth import GoogleTruth
from adpulse_sandbox.google.world import create as google_world
from adpulse_sandbox.meta.truth import Truth
from adpulse_sandbox.meta.world import create as meta_world
from adpulse_sandbox.remote import Remote

LATER = datetime(2027, 3, 1, 12, 0, tzinfo=UTC)


def begun(*arguments):
    """The clock of a sandbox that the command started and froze."""
    with process("sandbox", "--rate", "0", "--json", *arguments, ready="control_url") as lines:
        return Remote(json.loads(lines[-1])["control_url"]).now()


def test_a_sandbox_begins_with_the_machines_minute_unless_it_is_given_an_instant():
    before = datetime.now(UTC).replace(second=0, microsecond=0)

    own, given = begun(), begun("--now", "2026-09-01T09:30+02:00")

    assert before <= own <= datetime.now(UTC)
    assert (own.second, own.microsecond) == (0, 0)
    assert given == datetime(2026, 9, 1, 7, 30, tzinfo=UTC)


@pytest.mark.parametrize("text", ["2026-09-01T09:30", "yesterday"])
def test_an_instant_without_a_time_zone_is_refused(text):
    refused = CliRunner().invoke(cli, ["sandbox", "--now", text])

    assert refused.exit_code != 0
    assert text in str(refused.exception)


def test_the_same_world_begins_at_any_instant_with_the_same_accounts():
    first, later = meta_world(), meta_world(beginning=LATER)

    assert list(first.accounts) == list(later.accounts)
    shifts = {
        b.created_at - a.created_at for a, b in zip(first.account("Optic Corner").ads, later.account("Optic Corner").ads, strict=True)
    }
    assert shifts == {LATER - first.beginning}


def test_equal_worlds_have_equal_accounts_of_their_own():
    one, other = (world.account("Optic Corner") for world in (meta_world(), meta_world()))

    assert one.ads == other.ads
    assert all(ad is not twin for ad, twin in zip(one.ads, other.ads, strict=True))
    assert all(ad.parent is one.by_id[ad.parent.id] for ad in one.ads)


@pytest.mark.parametrize("beginning", [LATER, datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2028, 2, 29, 23, 59, tzinfo=UTC)])
def test_wherever_a_world_begins_its_last_weeks_have_numbers_and_nothing_is_in_the_future(beginning):
    since, tomorrow = beginning.date() - timedelta(days=27), beginning.date() + timedelta(days=2)
    meta, google = meta_world(beginning=beginning), google_world(1, beginning)
    for truth, account in (
        (Truth(meta), meta.account("Sakura Tea")),
        (GoogleTruth(google, 1), google.customer("Pacific Trail Outfitters")),
    ):
        rows = truth.metrics(account.id, since, tomorrow, beginning)
        today = beginning.astimezone(account.zone).date()

        days = set(rows["date"].to_pylist())
        assert {today - timedelta(days=n) for n in range(1, 27)} <= days
        assert max(days) <= today


BEFORE, SINCE = datetime(2026, 10, 13, 23, 59, tzinfo=UTC), datetime(2026, 10, 14, tzinfo=UTC)


def test_versions_come_out_by_the_sandboxs_clock(bare):
    with Sandbox.start(now=BEFORE) as sandbox:
        ask, versions = bare(sandbox), ("v25.0", "v26.0", "v27.0")
        before = [ask("me", version=version).status_code for version in versions]
        with pytest.raises(GoogleAdsException, match="v26 is deprecated"):
            Ads(sandbox.google, version="v26").rows("SELECT campaign.id FROM campaign")

        sandbox.clock.set(SINCE + timedelta(days=21))

        assert before == [200, 200, 400]
        assert [ask("me", version=version).status_code for version in versions] == [200, 200, 200]
        assert Ads(sandbox.google, version="v26").rows("SELECT campaign.id FROM campaign")


def test_in_a_season_before_every_release_the_oldest_version_is_answered(bare):
    with Sandbox.start(now=datetime(2024, 11, 5, 15, tzinfo=UTC)) as sandbox:
        statuses = [bare(sandbox)("me", version=version).status_code for version in ("v25.0", "v26.0")]

        assert statuses == [200, 400]
        assert sandbox.versions == {"meta": ("v25.0",), "google": ("v23",)}


def test_versions_end_by_the_sandboxs_clock(bare):
    with Sandbox.start(now=LATER) as sandbox:
        ask = bare(sandbox)

        ended = ask("me", version="v25.0").json()["error"]["code"]
        alive = ask("me", version="v26.0").status_code
        sandbox.clock.set(LATER - timedelta(days=30))

        assert (ended, alive, ask("me", version="v25.0").status_code) == (2635, 200, 200)
        sandbox.clock.set(LATER)
        with pytest.raises(GoogleAdsException, match="v23 is deprecated"):
            Ads(sandbox.google, version="v23").rows("SELECT campaign.id FROM campaign")
