"""Tickets log a browser in to Prefect's pages once, and nobody can make one without the password."""

import asyncio
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
from fakes import SteppedClock
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from adpulse import private_file
from adpulse.prefect_login import LIFETIME, TICKET_PATH, Tickets, issue_ticket
from deployments.browser_login import BrowserLogin

STARTED = datetime(2026, 11, 29, 12, tzinfo=UTC)
NOW = STARTED + timedelta(hours=1)
LOGIN = SecretStr("adpulse:sentinel-of-this-home")


def test_a_ticket_is_good_once():
    tickets, ticket = Tickets(LOGIN, STARTED), issue_ticket(LOGIN, NOW)

    assert [tickets.redeem(ticket, NOW) for _ in range(3)] == [True, False, False]
    assert tickets.redeem(issue_ticket(LOGIN, NOW), NOW)


def test_a_ticket_ends_after_a_minute_also_when_many_were_used_since():
    tickets, ticket = Tickets(LOGIN, STARTED), issue_ticket(LOGIN, NOW)
    assert tickets.redeem(ticket, NOW)

    assert not tickets.redeem(issue_ticket(LOGIN, NOW), NOW + LIFETIME)
    assert tickets.redeem(issue_ticket(LOGIN, NOW + LIFETIME), NOW + LIFETIME)
    assert not tickets.redeem(ticket, NOW + LIFETIME)


def test_a_server_that_was_started_again_accepts_no_ticket_of_before():
    ticket = issue_ticket(LOGIN, NOW)

    assert not Tickets(LOGIN, NOW + timedelta(seconds=1)).redeem(ticket, NOW + timedelta(seconds=2))


@given(st.text(max_size=60))
def test_whatever_is_no_ticket_is_refused(text):
    assert not Tickets(LOGIN, STARTED).redeem(text, NOW)


@given(st.data())
def test_a_changed_ticket_is_refused(data):
    ticket = issue_ticket(LOGIN, NOW)
    place = data.draw(st.integers(0, len(ticket) - 1))
    other = data.draw(st.characters(codec="ascii").filter(lambda letter: letter != ticket[place]))

    assert not Tickets(LOGIN, STARTED).redeem(ticket[:place] + other + ticket[place + 1 :], NOW)
    assert not Tickets(LOGIN, STARTED).redeem(issue_ticket(SecretStr("adpulse:another"), NOW), NOW)


def test_of_two_processes_that_create_a_file_both_use_the_text_of_the_first(tmp_path):
    path = tmp_path / "folder" / "login"

    assert [private_file.create(path, text) for text in ("first", "second")] == ["first", "first"]
    assert [child.name for child in path.parent.iterdir()] == ["login"]


@pytest.fixture
def answer():
    """Asks the middleware; status, headers and body. What it leaves to Prefect is answered 204."""
    sent = []

    async def prefect(_scope, _receive, send):
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    site = BrowserLogin(prefect, LOGIN, SteppedClock(NOW - LIFETIME))
    site._wall = SteppedClock(NOW)

    def run(path, query="", method="GET"):
        sent.clear()
        scope = {"type": "http", "method": method, "path": path, "query_string": query.encode(), "headers": [], "scheme": "http"}

        async def send(message):
            sent.append(message)

        asyncio.run(site({**scope, "server": ("127.0.0.1", 4200)}, None, send))
        return sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"].decode()

    return run


def path_of(ticket):
    return f"{TICKET_PATH}/{ticket}"


@pytest.mark.parametrize(
    ("place", "shown"),
    [
        ("/runs/flow-run/1", '"/runs/flow-run/1"'),
        ("//evil.example", '"/"'),
        ("/\\evil.example", '"/"'),
        ("https://evil.example", '"/"'),
        ('/"</script><script>alert(1)', r'"/\"\u003c/script>\u003cscript>alert(1)"'),
    ],
)
def test_the_page_goes_on_to_a_page_of_prefects_only(answer, place, shown):
    status, headers, body = answer(path_of(issue_ticket(LOGIN, NOW)), f"next={quote(place)}")

    assert status == 200
    assert f"location.replace({shown})" in body
    assert headers[b"content-security-policy"].startswith(b"default-src 'none'; script-src 'nonce-")


def test_the_password_is_in_no_answer_without_a_ticket(answer):
    for path, method, status in ((path_of("x"), "GET", 401), (path_of(issue_ticket(LOGIN, NOW)), "POST", 405), ("/api/flows", "GET", 204)):
        said = answer(path, method=method)

        assert said[0] == status
        assert "localStorage" not in said[2]
