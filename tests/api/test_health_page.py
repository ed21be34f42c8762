"""The health page with hundreds of accounts: what needs a person, told once for what one act mends, and no error that is over."""

import re
from datetime import timedelta

import pytest
from many_accounts import add_accounts
from sqlalchemy import Engine, event

from adpulse.errors import AuthExpired
from adpulse.model import ConnectionStatus
from adpulse.services import connecting
from storage.control.runs import Leg
from storage.control.tables import ConnectionRow

TABLE = ConnectionRow.__table__


@pytest.fixture
def look(browser, visit, team):
    """The page as the team's editor sees it, without its marks."""
    session = browser(team.editor)

    def read(**query):
        answer = visit(session, "GET", "/health", params=query)
        assert answer.status_code == 200
        return answer.text

    return read


def change(installation, ids, **values):
    with installation.engine.begin() as session:
        session.execute(TABLE.update().where(TABLE.c.id.in_(ids)).values(**values))


def words(page):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def statements(look):
    seen = []

    def note(*arguments):
        seen.append(arguments[2])

    event.listen(Engine, "before_cursor_execute", note)
    look()
    event.remove(Engine, "before_cursor_execute", note)
    return len(seen)


def test_hundreds_are_counts_and_what_needs_a_person_is_one_line_for_each_token(look, installation, team):
    few = statements(look)
    add_accounts(installation, team.connection, 404, sync_frequency="5min")
    now = installation.app.clock.now()
    change(installation, [f"many-{number}" for number in range(1, 401)], last_sync_completed_at=now - timedelta(minutes=1))
    change(installation, ["many-1"], last_sync_completed_at=now - timedelta(minutes=10))
    ended = {"status": "needs_reauth", "status_reason": "Meta no longer accepts the token."}
    change(installation, [f"many-{number}" for number in range(100, 400)], **ended)
    other = installation.app.credentials.store(team.workspace.id, "meta", installation.secret("meta"), None)
    change(installation, ["many-50"], credential_id=other, **ended)

    page = look()

    shown = words(page)
    assert "301 failing" in shown
    assert "1 late" in shown
    assert "4 first sync" in shown, "what was never read is not late"
    assert "Account 100 and 299 more : Meta no longer accepts the token." in shown
    assert re.findall(r'/connect\?connection=([\w-]+)"', page) == ["many-100", "many-50"]
    assert 0 < statements(look) <= few


def test_first_syncs_are_counted_until_all_are_complete(look, installation, team):
    add_accounts(installation, team.connection, 3)
    assert "First syncs: 0 of 4 complete" in words(look())

    installation.sync(team.connection)

    assert "First syncs: 1 of 4 complete" in words(look())
    change(installation, ["many-1", "many-2", "many-3"], status="paused")
    assert "First syncs" not in look()


def test_an_error_is_gone_after_a_reconnect(look, installation, team):
    app = installation.app
    (lease,) = installation.claim()
    error = AuthExpired("Meta no longer accepts the token.")
    app.runs.dead(lease, Leg(), error, next_due_at=app.clock.now(), status=ConnectionStatus.NEEDS_REAUTH)
    shown = words(look())
    assert shown.count("Meta no longer accepts the token.") == 1, "not as a dead letter too"

    connecting.reconnect(app, team.connection.id, installation.secret("meta"), dispatcher=lambda *_: None)

    shown = words(look())
    assert "Meta no longer accepts the token." not in shown
    assert "Nothing needs a person. No dead letters." in shown
    assert "0 failing" in shown


def test_a_state_of_the_platform_offers_to_resume(look, installation, team):
    installation.app.connections.set_status(team.connection.id, ConnectionStatus.BLOCKED, "Meta has blocked the user.")

    page = look()

    assert "Meta has blocked the user." in page
    assert f"/connections/{team.connection.id}/resume" in page
    assert f"/connect?connection={team.connection.id}" not in page
