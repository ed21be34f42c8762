"""Tokens that end: renewed by the sweep before they do, or told ahead of time; the syncs go on with what came of it."""

from datetime import timedelta

import pytest
from browsing import consent
from installation import share_credential
from pydantic import SecretStr

from adpulse import presentation
from adpulse.model import RunState
from adpulse.services import authorising
from adpulse.services.authorising import CallbackParameters
from deployments.sweep import Sweep
from storage.control.grants import LIFETIME

DAY = 86_400


@pytest.fixture
def connected(installation):
    """A connection made by consent, two months before its token ends."""
    invitation = authorising.begin_authorisation(
        installation.app, installation.workspace.id, "meta", reached_at="http://localhost:8400/", begun_by="me"
    )
    back = dict(each.split("=", 1) for each in consent(invitation.url).partition("?")[2].partition("#")[0].split("&"))
    returned = CallbackParameters(state=back["state"], code=SecretStr(back["code"]), error=None, browser=None, key_id="me")
    grant = authorising.finish_authorisation(installation.app, returned)
    store = next(each.external_id for each in grant.accounts if each.name == "Corner Store 1")
    (view,) = authorising.connect(installation.app, grant, [store], "manual")
    return view


def view_of(installation, connected):
    return installation.app.connections.get(connected.connection.id)


def exchanges(installation):
    return [call for call in installation.sandbox.calls.calls() if call.params.get("grant_type") == "fb_exchange_token"]


def pass_over(installation):
    Sweep(installation.app).once()


def test_a_token_is_renewed_two_weeks_before_it_ends_and_syncs_go_on(installation, connected):
    first = connected.credential_expires_at
    pass_over(installation)
    assert view_of(installation, connected).credential_expires_at == first

    installation.sandbox.clock.advance(47 * DAY)
    pass_over(installation)

    renewed = view_of(installation, connected)
    assert renewed.credential_expires_at == first + timedelta(days=30)  # what the person consented to lasts for 90 days
    installation.sandbox.clock.advance(15 * DAY)
    assert installation.sync(renewed.connection).state is RunState.DONE


def test_all_who_share_the_token_get_the_new_one(installation, connected):
    share_credential(installation, installation.connect("Sakura Tea"), connected.connection)
    installation.sandbox.clock.advance(47 * DAY)
    pass_over(installation)

    views = installation.app.connections.all(installation.workspace.id)
    assert len(views) == 2
    assert {each.connection.credential_id for each in views} == {view_of(installation, connected).connection.credential_id}


def test_one_that_cannot_be_prolonged_is_tried_once_a_day_and_told(installation, connected):
    installation.sandbox.clock.advance(47 * DAY)
    pass_over(installation)
    installation.sandbox.clock.advance(30 * DAY)
    before = len(exchanges(installation))

    for _ in range(3):
        pass_over(installation)
    assert len(exchanges(installation)) == before + 1
    installation.sandbox.clock.advance(DAY)
    pass_over(installation)
    assert len(exchanges(installation)) == before + 2
    told = presentation.describe_token_end(view_of(installation, connected), installation.app.clock.now())
    assert told == "token ends in 12 days: reconnect"


def test_a_platform_that_fails_is_asked_again_the_next_day_and_the_sweep_goes_on(installation, connected):
    installation.remote.fault("transient", kind="oauth/access_token")
    installation.sandbox.clock.advance(47 * DAY)
    pass_over(installation)
    assert view_of(installation, connected).credential_expires_at == connected.credential_expires_at

    installation.remote.clear_faults()
    installation.sandbox.clock.advance(DAY)
    pass_over(installation)
    assert view_of(installation, connected).credential_expires_at > connected.credential_expires_at


def test_a_worker_that_does_not_lead_renews_nothing(installation, connected):
    installation.sandbox.clock.advance(47 * DAY)
    installation.app.leadership.take("sweep", "elsewhere-1")
    before = len(exchanges(installation))

    pass_over(installation)

    assert len(exchanges(installation)) == before
    assert view_of(installation, connected).credential_expires_at == connected.credential_expires_at


def test_the_sweep_forgets_grants_that_are_too_old(installation):
    authorising.grant_of(installation.app, installation.workspace.id, "meta", installation.secret("meta"))
    installation.wall.advance(LIFETIME)
    pass_over(installation)

    with installation.engine.connect() as session:
        assert session.exec_driver_sql("SELECT * FROM credential_grant").all() == []
