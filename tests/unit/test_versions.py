"""How long API versions live: people are warned from 90 days ahead, once for each threshold, and told what to set."""

import json
from datetime import UTC, date, datetime, timedelta
from importlib import import_module
from pkgutil import iter_modules

import pytest
from facebook_business.apiconfig import ads_api_config
from pydantic import SecretStr

from adpulse.cli.demo import NOW
from adpulse.cli.sandboxed import living_versions
from adpulse.events import EventType
from adpulse.platforms.google.platform import GOOGLE
from adpulse.platforms.google.settings import GoogleSettings
from adpulse.platforms.meta.platform import META
from adpulse.platforms.meta.settings import MetaSettings
from adpulse.platforms.registry import PLATFORMS
from adpulse.platforms.versions import pinned_version
from adpulse.settings import Settings
from adpulse_sandbox import Sandbox
from adpulse_sandbox.google import versions as google_versions
from adpulse_sandbox.meta import versions as meta_versions
from adpulse_sandbox.meta.world import BEGINNING

END = date(2027, 2, 23)


def meta(days_left, version="v25.0"):
    return pinned_version(META, MetaSettings(version=version), END - timedelta(days=days_left))


@pytest.mark.parametrize(
    ("days_left", "is_ending", "has_ended", "sentence"),
    [
        (91, False, False, "Meta Ads v25.0 ends on 2027-02-23."),
        (90, True, False, "Meta Ads v25.0 ends on 2027-02-23, in 90 days. Set ADPULSE_META_VERSION to v27.0"),
        (1, True, False, "Meta Ads v25.0 ends on 2027-02-23, in 1 day. Set ADPULSE_META_VERSION to v27.0"),
        (0, True, True, "Meta Ads v25.0 has ended. Set ADPULSE_META_VERSION to v27.0"),
        (-30, True, True, "Meta Ads v25.0 has ended. Set ADPULSE_META_VERSION to v27.0"),
    ],
)
def test_people_are_warned_from_ninety_days_ahead(days_left, is_ending, has_ended, sentence):
    version = meta(days_left)

    assert (version.days_left, version.is_ending, version.has_ended) == (days_left, is_ending, has_ended)
    assert version.sentence.startswith(sentence)


def test_a_version_without_an_announced_end_does_not_end():
    version = meta(0, "v26.0")

    assert (version.days_left, version.is_ending, version.is_known) == (None, False, True)


def test_where_no_newer_version_is_known_the_remedy_is_a_newer_adpulse():
    version = pinned_version(GOOGLE, GoogleSettings(version="v26"), date(2027, 10, 31))

    assert version.sentence == "Google Ads v26 ends on 2027-11-01, in 1 day. Update adpulse, which knows no newer one."


def test_a_version_that_is_not_known_says_which_are():
    version = meta(0, "v99.0")

    assert (version.is_known, version.is_ending) == (False, False)
    assert "Known are: v25.0, v26.0, v27.0." in version.sentence


@pytest.mark.parametrize("platform", PLATFORMS.values(), ids=PLATFORMS)
def test_the_version_that_is_called_by_default_is_known(platform):
    assert pinned_version(platform, Settings().of(platform), date(2026, 11, 29)).is_known


@pytest.mark.parametrize("instant", [BEGINNING, datetime.fromisoformat(NOW)], ids=["tests", "demo"])
def test_at_the_instants_that_tests_and_the_demo_pin_the_newest_versions_of_that_day_are_called(instant):
    with Sandbox.start(now=instant) as sandbox:
        assert living_versions(sandbox.versions) == {"ADPULSE_META_VERSION": "v25.0", "ADPULSE_GOOGLE_VERSION": "v23"}

        sandbox.clock.set(datetime(2026, 10, 14, tzinfo=UTC))

        assert living_versions(sandbox.versions) == {}


@pytest.mark.parametrize("platform", PLATFORMS.values(), ids=PLATFORMS)
def test_the_sandbox_has_the_versions_and_ends_that_adpulse_knows(platform):
    lifetimes = {"meta": meta_versions.VERSIONS, "google": google_versions.VERSIONS}[platform.name]

    assert [(version.name, version.ends) for version in platform.versions] == [(name, days.ends) for name, days in lifetimes.items()]


def test_googles_versions_are_those_that_the_installed_sdk_speaks():
    package = import_module("google.ads.googleads")
    spoken = {module.name for module in iter_modules(package.__path__) if module.name[0] == "v" and module.name[1:].isdigit()}

    assert {version.name for version in GOOGLE.versions} == spoken


def test_the_installed_meta_sdks_own_version_is_known():
    assert ads_api_config["API_VERSION"] in {version.name for version in META.versions}


@pytest.fixture
def hook(plane):
    return plane.webhooks.create(plane.workspace.id, "ours", SecretStr("http://127.0.0.1:9/"), events=[EventType.VERSION_ENDING])[0]


def days_sent(plane, hook):
    return sorted(json.loads(delivery.payload)["data"]["days_left"] for delivery in plane.outbox.history(hook.id))


def test_a_workspace_is_notified_once_for_each_threshold(plane, hook):
    plane.connect("1")

    new = [plane.version_notices.publish([meta(days)]) for days in (91, 90, 60, 31, 30, 29, 7, 1, 0, -1)]

    assert new == [0, 1, 0, 0, 1, 0, 1, 0, 1, 0]
    assert days_sent(plane, hook) == [0, 7, 30, 90]


def test_an_installation_that_begins_late_is_notified_of_the_nearest_threshold_alone(plane, hook):
    plane.connect("1")

    assert plane.version_notices.publish([meta(5)]) == 1
    assert days_sent(plane, hook) == [5]


def test_another_version_is_another_notice(plane):
    plane.connect("1")
    plane.version_notices.publish([meta(5)])

    google = pinned_version(GOOGLE, GoogleSettings(version="v23"), date(2027, 1, 20))
    assert plane.version_notices.publish([google]) == 0, "nobody uses it"
    assert plane.version_notices.publish([meta(5)]) == 0


def test_a_workspace_without_connections_that_are_called_is_not_notified(plane):
    plane.workspaces.create("Other")
    connection = plane.connect("1")
    plane.connections.disconnect(connection.id, "by a test")

    assert plane.version_notices.publish([meta(5)]) == 0


def test_a_workspace_that_was_notified_can_be_deleted(plane):
    connection = plane.connect("1")
    plane.version_notices.publish([meta(5)])
    plane.connections.delete(connection.id)

    plane.workspaces.delete(plane.workspace.id)

    assert plane.workspaces.all() == []
