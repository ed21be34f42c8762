"""E-mails to a real mail server: a problem once a person, many problems in one message, and nothing in it that is not text."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_string
from email.header import decode_header, make_header

import mail_receiver
import pytest
from installation import Installation
from pydantic import SecretStr

from adpulse.mail_message import Envelope, compose
from adpulse.mail_server import MailServer, Reply
from adpulse.model import ConnectionStatus
from adpulse.redact import redact
from adpulse_sandbox.google.certificate import key_and_certificate
from storage.control.formats import Format
from storage.control.outbox import DeliveryState

ADDRESS = "person@example.com"
AT = datetime(2026, 3, 20, 15, tzinfo=UTC)


@pytest.fixture
def mailbox():
    with mail_receiver.receiving() as running:
        yield running


@pytest.fixture
def installation(sandbox, tmp_path, mailbox):
    own = {
        "ADPULSE_SMTP_HOST": "127.0.0.1",
        "ADPULSE_SMTP_PORT": str(mailbox.port),
        "ADPULSE_SMTP_FROM": "adpulse <adpulse@example.org>",
        "ADPULSE_SMTP_TLS": "none",
        "ADPULSE_PUBLIC_URL": "https://ads.example.org",
    }
    made = Installation(tmp_path / "home", sandbox, **own)
    yield made
    made.close()


@pytest.fixture
def person(hooks):
    return hooks.add(ADDRESS, form=Format.EMAIL)[0]


def test_a_problem_reaches_the_mailbox_with_its_account_and_a_link(hooks, installation, mailbox, person):
    connection = installation.connect("Corner Store 1")
    installation.app.connections.set_status(connection.id, ConnectionStatus.NEEDS_REAUTH, "Run: adpulse reconnect")
    installation.wall.advance(timedelta(minutes=1))

    with hooks.delivering():
        hooks.until(lambda: hooks.only(person).state is DeliveryState.DELIVERED)

    (message,) = mailbox.got
    assert message["Subject"] == f"[adpulse] {connection.name}: not synced any more (needs_reauth)"
    assert (message["From"], message["To"], mailbox.to) == ("adpulse <adpulse@example.org>", ADDRESS, [[ADDRESS]])
    assert f"{connection.name} is not synced any more (needs_reauth). Run: adpulse reconnect" in mailbox.text()
    assert f"https://ads.example.org/app/connections/{connection.id}" in mailbox.text()
    assert f'<a href="https://ads.example.org/app/connections/{connection.id}">' in message.get_body(("html",)).get_content()
    assert (hooks.only(person).last_status, hooks.only(person).attempts) == (250, 1)


def test_problems_of_one_minute_are_one_message_whichever_webhooks_they_are_of(hooks, installation, mailbox, person):
    other = installation.app.workspaces.create("Borealis")
    installation.app.webhooks.create(other.id, "theirs", SecretStr(ADDRESS.replace("person", "Person")), Format.EMAIL)
    for hook in installation.app.webhooks.all():
        for _ in range(3):
            installation.app.webhooks.test(hook.id)

    with hooks.delivering():
        hooks.until(lambda: all(one.state is DeliveryState.DELIVERED for one in installation.app.outbox.history(person.id)))

    assert len(mailbox.got) == 1
    assert mailbox.text().count("A test message") == 1


def test_an_account_whose_name_holds_headers_and_markup_is_text(hooks, installation, mailbox, person):
    connection = installation.connect("Corner Store 1")
    with installation.engine.begin() as session:
        name = "B\xfcro\r\nBcc: spy@example.net\u2028\x85\x00<script>alert(1)</script>"
        session.exec_driver_sql("UPDATE connection SET name = ?", (name,))
    installation.app.connections.set_status(connection.id, ConnectionStatus.NEEDS_REAUTH, "Reconnect.")
    installation.wall.advance(timedelta(minutes=1))

    with hooks.delivering():
        hooks.until(lambda: hooks.only(person).attempts)

    (message,) = mailbox.got
    assert message["Bcc"] is None
    assert mailbox.to == [[ADDRESS]]
    assert message["Subject"].startswith("[adpulse] B\xfcro Bcc: spy@example.net <script>alert(1)</script>: not synced")
    assert "<script>" not in message.get_body(("html",)).get_content()
    assert "<script>alert(1)</script>" in mailbox.text()


@pytest.fixture
def send(mailbox):
    """Sends an e-mail about an account of this name by a mail server; the sender has the same name."""

    def compose_and_send(name="Harbor"):
        about = {"workspace_id": "w", "connection_id": "c", "connection": name, "provider": "meta", "external_id": "1"}
        stored = json.dumps(
            {"type": "connection.needs_attention", "timestamp": AT.isoformat(), "data": about | {"status": "s", "reason": "r"}}
        )
        sender = (name, "adpulse@example.org")
        server = MailServer(host="127.0.0.1", port=mailbox.port, tls="none", sender=sender, user=None, password=None)
        envelope = Envelope(sender=sender, address=ADDRESS, key="k", sent_at=AT, is_digest=False, public_url=None)
        return server.send(compose([stored], envelope), ADDRESS)

    return compose_and_send


def test_a_name_that_is_an_encoded_header_is_text(mailbox, send):
    name = "=?utf-8?q?x=0D=0AReply-To:_spy@example.net=0D=0AContent-Type:_text/html=0D=0A=0D=0A<b>?="

    reply = send(name)

    head = mailbox.wire[0].partition(b"\r\n\r\n")[0].decode()
    fields = [line.partition(":")[0] for line in head.split("\r\n") if not line.startswith(" ")]
    decoded = {field: str(make_header(decode_header(value))) for field, value in message_from_string(head).items()}
    assert reply == Reply(250, None)
    assert fields == ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type"]
    assert decoded["Subject"] == f"[adpulse] {name}: not synced any more (s)"
    assert decoded["From"] == f"{name} <adpulse@example.org>"


@pytest.mark.parametrize("goodbye", ["250 OK", "421 4.3.2 closing"])
def test_what_a_server_answers_to_quit_changes_no_result(mailbox, send, goodbye):
    mailbox.goodbye = goodbye
    accepted = send()
    mailbox.refused[ADDRESS] = "550 5.1.1 no such user here"

    refused = send()

    assert (accepted, len(mailbox.got)) == (Reply(250, None), 1)
    assert (refused.status, refused.is_final) == (550, True)


def test_an_address_that_the_server_refuses_fails_at_once_and_shows(hooks, installation, mailbox, person):
    mailbox.refused[ADDRESS] = "550 5.1.1 no such user here"
    connection = installation.connect("Corner Store 1")
    for _ in range(2):  # as what never arrived is no open problem, its next event is tried again
        installation.app.connections.set_status(connection.id, ConnectionStatus.NEEDS_REAUTH, "Reconnect.")
        installation.app.connections.set_status(connection.id, ConnectionStatus.ACTIVE, None)
        installation.wall.advance(timedelta(minutes=1))
        with hooks.delivering():
            hooks.until(lambda: all(one.attempts for one in installation.app.outbox.history(person.id)))

    first, second = installation.app.outbox.history(person.id)
    assert (first.attempts, first.last_status, first.state, second.attempts) == (1, 550, DeliveryState.FAILED, 1)
    assert first.last_error == "The mail server refused the address: 550 5.1.1 no such user here"
    assert installation.app.webhooks.get(person.id).failing_since is not None


def test_a_server_in_trouble_gets_the_same_message_again_and_one_that_is_down_is_named(hooks, installation, mailbox, person):
    mailbox.answer = "451 4.3.0 try again later"
    installation.app.webhooks.test(person.id)
    with hooks.delivering():
        hooks.until(lambda: hooks.only(person).attempts == 1)
    waiting = hooks.only(person)
    assert (waiting.state, waiting.last_status) == (DeliveryState.PENDING, 451)

    mailbox.answer = "250 OK"
    installation.wall.advance(timedelta(minutes=2))
    with hooks.delivering():
        hooks.until(lambda: hooks.only(person).state is DeliveryState.DELIVERED)

    assert timedelta(0) < waiting.next_attempt_at - waiting.created_at < timedelta(minutes=2)
    assert mailbox.subjects == ["[adpulse] a test message"]
    assert mailbox.tried == [mailbox.got[0]["Message-ID"]] * 2
    assert installation.app.webhooks.get(person.id).failing_since is None


def test_a_daily_address_gets_one_digest_of_everything_by_account(hooks, installation, mailbox):
    daily, _ = hooks.add(ADDRESS, form=Format.EMAIL_DAILY)
    first, second = installation.connect("Corner Store 1"), installation.connect("Corner Store 2")
    for connection in (first, second, first):
        installation.app.connections.set_status(connection.id, ConnectionStatus.BLOCKED, "Log in.")
        installation.app.connections.set_status(connection.id, ConnectionStatus.ACTIVE, None)
    soonest = installation.app.outbox.history(daily.id)[0].next_attempt_at
    due = installation.app.mail_outbox.due()
    installation.wall.advance(timedelta(days=1))

    with hooks.delivering():
        hooks.until(lambda: all(one.state is DeliveryState.DELIVERED for one in installation.app.outbox.history(daily.id)))

    assert (due, len(mailbox.got)) == ([], 1)
    assert soonest.minute == 0
    assert mailbox.subjects[0].startswith("[adpulse] Daily digest: ")
    assert mailbox.text().count(f"{first.name} (") == mailbox.text().count(f"{second.name} (") == 1
    assert mailbox.text().count("is not synced any more") == 2


@pytest.fixture
def encrypted(sandbox, tmp_path, monkeypatch):
    """An installation that logs in over STARTTLS, and its mailbox."""
    file = tmp_path / "mail.pem"
    file.write_bytes(b"".join(key_and_certificate()))
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with mail_receiver.receiving(file) as mailbox:
        own = {
            "ADPULSE_SMTP_HOST": "localhost",
            "ADPULSE_SMTP_PORT": str(mailbox.port),
            "ADPULSE_SMTP_FROM": "adpulse@example.org",
            "ADPULSE_SMTP_USER": mail_receiver.USER,
            "ADPULSE_SMTP_PASSWORD": mail_receiver.PASSWORD,
        }
        made = Installation(tmp_path / "encrypted", sandbox, **own)
        yield made, mailbox
        made.close()


def test_a_message_goes_over_starttls_after_a_login(encrypted, hooks_of):
    installation, mailbox = encrypted
    hooks = hooks_of(installation)
    person, _ = hooks.add(ADDRESS, form=Format.EMAIL)
    installation.app.webhooks.test(person.id)

    with hooks.delivering():
        hooks.until(lambda: hooks.only(person).attempts)

    assert (hooks.only(person).last_error, mailbox.subjects, mailbox.encrypted) == (None, ["[adpulse] a test message"], [True])


def test_the_password_is_in_no_log_error_or_repr(encrypted, hooks_of, caplog):
    caplog.set_level("DEBUG")
    installation, mailbox = encrypted
    mailbox.password = "another-password"
    hooks = hooks_of(installation)
    person, _ = hooks.add(ADDRESS, form=Format.EMAIL)
    installation.app.webhooks.test(person.id)

    with hooks.delivering():
        hooks.until(lambda: hooks.only(person).attempts)

    server, known = installation.app.mail_server, mail_receiver.PASSWORD
    assert mailbox.got == []
    assert "refused the login (535). Check ADPULSE_SMTP_USER and ADPULSE_SMTP_PASSWORD." in hooks.only(person).last_error
    assert hooks.only(person).state is DeliveryState.PENDING
    assert known not in caplog.text + str(installation.app.outbox.history(person.id)) + repr(server) + repr(installation.app.settings)
    assert redact(f"a server that says {known}") == "a server that says [redacted]"


def test_a_password_that_cannot_be_sent_is_named_and_not_shown(encrypted, hooks_of, caplog):
    installation, mailbox = encrypted
    installation.app.mail_server = replace(installation.app.mail_server, password=SecretStr("p\xe4ssword-of-the-server"))
    hooks = hooks_of(installation)
    person, _ = hooks.add(ADDRESS, form=Format.EMAIL)
    installation.app.webhooks.test(person.id)

    with hooks.delivering():
        hooks.until(lambda: hooks.only(person).attempts)

    assert mailbox.got == []
    assert "must be ASCII. Check ADPULSE_SMTP_PASSWORD." in hooks.only(person).last_error
    assert "ssword-of-the-server" not in caplog.text


def test_nothing_is_sent_in_plain_text_to_a_server_without_starttls(installation, hooks, mailbox, person):
    installation.app.mail_server = replace(installation.app.mail_server, tls="starttls")
    installation.app.webhooks.test(person.id)

    with hooks.delivering():
        hooks.until(lambda: hooks.only(person).attempts)

    assert mailbox.got == []
    assert "offers no STARTTLS" in hooks.only(person).last_error


def test_the_certificate_of_the_mail_server_is_checked(encrypted, hooks_of, monkeypatch):
    installation, mailbox = encrypted
    monkeypatch.delenv("SSL_CERT_FILE")
    hooks = hooks_of(installation)
    person, _ = hooks.add(ADDRESS, form=Format.EMAIL)
    installation.app.webhooks.test(person.id)

    with hooks.delivering():
        hooks.until(lambda: hooks.only(person).attempts)

    assert mailbox.got == []
    assert "could not be reached or broke off (SSLCertVerificationError)" in hooks.only(person).last_error
