"""Deliveries to a real receiver: signed, at least once with one id, and nobody held up by anybody else."""

import json
import socket
import subprocess
import sys
import threading
from datetime import timedelta

import pytest
from receiver import receiving

from adpulse import targets
from adpulse.events import EventType
from adpulse.targets import Targets
from adpulse_sandbox.google.certificate import key_and_certificate
from deployments import deliver
from storage.control.formats import Format
from storage.control.outbox import DeliveryState


@pytest.fixture
def impatient(monkeypatch):
    """The next try comes at once."""
    monkeypatch.setattr(deliver, "backoff", lambda *_: 0.0)


def test_a_sync_is_told_to_its_receiver_who_verifies_it(hooks, installation, receiver):
    _, secret = hooks.add(receiver.url, events=[EventType.SYNC_COMPLETED])
    connection = installation.connect("Corner Store 1")
    run = installation.sync(connection)

    with hooks.delivering():
        receiver.wait()

    (message,) = receiver.verified(secret)
    assert (message["type"], message["data"]["job_id"]) == ("sync.completed", run.id)
    assert message["data"]["rows_changed"] == run.counts.inserted + run.counts.updated > 0
    assert receiver.got[0].path == "/hooks"
    assert receiver.got[0].headers["content-type"] == "application/json"


def test_while_a_secret_is_rotated_the_old_one_verifies_too(hooks, installation, receiver):
    hook, old = hooks.add(receiver.url)
    new = installation.app.webhooks.rotate(hook.id)
    installation.app.webhooks.test(hook.id)

    with hooks.delivering():
        receiver.wait()

    assert receiver.verified(old) == receiver.verified(new)


def test_a_receiver_in_trouble_gets_the_same_message_again(hooks, installation, receiver, impatient):  # noqa: ARG001 - it hurries
    hook, secret = hooks.add(receiver.url)
    receiver.answer(500, 503, 429, 200)
    message = installation.app.webhooks.test(hook.id)

    with hooks.delivering():
        hooks.until(lambda: hooks.only(hook).state is DeliveryState.DELIVERED)

    assert receiver.ids == [message] * 4
    assert len({each.body for each in receiver.got}) == 1
    assert len(receiver.verified(secret)) == 4
    assert (hooks.only(hook).attempts, hooks.only(hook).last_status, hooks.only(hook).last_error) == (4, 200, None)
    assert installation.app.webhooks.get(hook.id).failing_since is None


def test_a_receiver_that_is_down_is_tried_again_later_and_given_up_after_a_day(hooks, installation, monkeypatch):
    with receiving() as gone:
        hook, _ = hooks.add(gone.url)
    installation.app.webhooks.test(hook.id)
    began = installation.wall.now()

    with hooks.delivering():
        hooks.until(lambda: hooks.only(hook).attempts == 1)
    waiting = hooks.only(hook)
    monkeypatch.setattr(deliver, "DELIVERIES", 3)
    monkeypatch.setattr(deliver, "backoff", lambda *_: 0.0)
    installation.app.outbox.postponed(waiting, None, "again", installation.wall.now())
    with hooks.delivering():
        hooks.until(lambda: hooks.only(hook).state is DeliveryState.FAILED)

    assert "could not be reached" in waiting.last_error
    assert timedelta(seconds=60) <= waiting.next_attempt_at - began <= timedelta(seconds=66 + 60)
    assert hooks.only(hook).attempts == 3
    assert installation.app.webhooks.get(hook.id).failing_since is not None


def test_a_receiver_that_asks_for_a_pause_gets_it(hooks, installation, receiver, impatient):  # noqa: ARG001 - the pause is the receiver's
    hook, _ = hooks.add(receiver.url)
    receiver.answer((429, {"Retry-After": "1800"}))
    installation.app.webhooks.test(hook.id)
    began = installation.wall.now()

    with hooks.delivering():
        hooks.until(lambda: hooks.only(hook).attempts == 1)

    assert hooks.only(hook).next_attempt_at - began >= timedelta(seconds=1800)


def test_a_receiver_that_is_gone_is_not_asked_again(hooks, installation, receiver):
    hook, _ = hooks.add(receiver.url)
    receiver.answer(410)
    installation.app.webhooks.test(hook.id)

    with hooks.delivering():
        hooks.until(lambda: not installation.app.webhooks.get(hook.id).enabled)

    assert "410" in installation.app.webhooks.get(hook.id).disabled_reason
    assert len(receiver.got) == 1


def test_a_redirect_is_not_followed(hooks, installation, receiver):
    with receiving() as inner:
        hook, _ = hooks.add(receiver.url)
        receiver.answer((307, {"Location": inner.url}))
        installation.app.webhooks.test(hook.id)
        with hooks.delivering():
            hooks.until(lambda: hooks.only(hook).attempts == 1)

        assert inner.got == []
    assert hooks.only(hook).last_error == "The receiver redirects, which is not followed (307)."


def test_a_name_that_has_come_to_lead_into_the_own_network_is_refused(hooks, installation, receiver):
    """It led to the internet when the webhook was made."""
    hook, _ = hooks.add(receiver.url.replace("http://127.0.0.1", "https://localhost"))
    installation.app.targets = Targets(private=False)
    installation.app.webhooks.test(hook.id)

    with hooks.delivering():
        hooks.until(lambda: hooks.only(hook).attempts == 1)

    assert receiver.got == []
    assert "localhost is in a private network" in hooks.only(hook).last_error


def test_a_name_is_resolved_once_and_that_very_address_is_connected_to(hooks, installation, receiver, monkeypatch):
    """Whoever answers the second question otherwise (DNS rebinding) is not asked a second one."""
    hook, _ = hooks.add(receiver.url.replace("127.0.0.1", "localhost"))
    asked, real = [], socket.getaddrinfo

    def resolve(host, *rest, **options):
        asked.append(host if isinstance(host, str) else host.decode())
        return real("127.0.0.1" if asked.count("localhost") == 1 else "192.0.2.1", *rest, **options)

    monkeypatch.setattr(targets.socket, "getaddrinfo", resolve)
    installation.app.webhooks.test(hook.id)
    with hooks.delivering():
        receiver.wait()

    assert asked.count("localhost") == 1
    assert receiver.got[0].headers["host"] == f"localhost:{receiver.url.split(':')[2].split('/')[0]}"


def test_the_certificate_must_be_of_the_name_and_not_of_the_address(hooks, installation, tmp_path, monkeypatch):
    file = tmp_path / "receiver.pem"
    file.write_bytes(b"".join(key_and_certificate()))
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    real = socket.getaddrinfo
    named = lambda host, *rest, **options: real("127.0.0.1" if host == "wrong.example" else host, *rest, **options)  # noqa: E731 - one use
    monkeypatch.setattr(targets.socket, "getaddrinfo", named)
    with receiving(file) as receiver:
        right, _ = hooks.add(receiver.url, "right")
        wrong, _ = hooks.add(receiver.url.replace("localhost", "wrong.example"), "wrong")
        installation.app.webhooks.test(right.id)
        installation.app.webhooks.test(wrong.id)
        with hooks.delivering():
            hooks.until(lambda: hooks.only(right).attempts and hooks.only(wrong).attempts)

    assert hooks.only(right).state is DeliveryState.DELIVERED
    assert "could not be reached" in hooks.only(wrong).last_error
    assert [each.headers["host"] for each in receiver.got] == [receiver.url.split("/")[2]]


def test_a_slow_receiver_does_not_hold_up_another(hooks, installation, receiver):
    with receiving() as slow:
        slow.hold()
        held, _ = hooks.add(slow.url, "slow")
        quick, _ = hooks.add(receiver.url, "quick")
        for _ in range(3 * deliver.AT_ONCE_PER_WEBHOOK):
            installation.app.webhooks.test(held.id)
        mine = [installation.app.webhooks.test(quick.id) for _ in range(10)]
        with hooks.delivering():
            slow.wait(deliver.AT_ONCE_PER_WEBHOOK)
            receiver.wait(len(mine))
            under_way = len(slow.got)
            slow.release()

    assert sorted(receiver.ids) == sorted(mine)
    assert under_way == deliver.AT_ONCE_PER_WEBHOOK


def test_a_receiver_that_dribbles_its_answer_is_left(hooks, installation, monkeypatch):
    monkeypatch.setattr(deliver, "TIMEOUT_SECONDS", 0.5)
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def dribble():
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                while not ended.wait(0.05):
                    connection.sendall(b"H")

        threading.Thread(target=dribble, daemon=True).start()
        hook, _ = hooks.add(f"http://127.0.0.1:{server.getsockname()[1]}/")
        installation.app.webhooks.test(hook.id)
        with hooks.delivering():
            hooks.until(lambda: hooks.only(hook).attempts == 1)
        ended.set()

    assert "did not answer within 0.5 s" in hooks.only(hook).last_error


def test_a_message_that_cannot_be_sent_at_all_is_noted_and_holds_up_nobody(hooks, installation, receiver, monkeypatch):
    poisoned, _ = hooks.add(receiver.url, "poisoned")
    sound, _ = hooks.add(receiver.url, "sound")
    real = deliver._message
    monkeypatch.setattr(deliver, "_message", lambda each, *rest: real(None if each.webhook_id == poisoned.id else each, *rest))
    installation.app.webhooks.test(poisoned.id)
    mine = installation.app.webhooks.test(sound.id)

    with hooks.delivering():
        hooks.until(lambda: hooks.only(poisoned).attempts and hooks.only(sound).attempts)

    assert receiver.ids == [mine]
    assert hooks.only(poisoned).last_error == "The message could not be sent (AttributeError)."
    assert hooks.only(poisoned).next_attempt_at > installation.wall.now()


def test_two_workers_deliver_each_message_once(hooks, installation, receiver):
    hook, _ = hooks.add(receiver.url)
    with hooks.delivering("elsewhere-1"), hooks.delivering("elsewhere-2"):
        mine = [installation.app.webhooks.test(hook.id) for _ in range(20)]
        receiver.wait(20)
        hooks.until(lambda: all(each.state is DeliveryState.DELIVERED for each in installation.app.outbox.history(hook.id)))

    assert sorted(receiver.ids) == sorted(mine)


KILLED = """
import os
from deployments import deliver
from deployments.deliver import Deliverer, deliver_until
Deliverer._note = lambda *_: os._exit(9)
from threading import Event
deliver_until(Event())
"""


def test_what_a_worker_posted_but_could_not_note_is_sent_again_with_the_same_id(hooks, installation, receiver):
    hook, secret = hooks.add(receiver.url)
    message = installation.app.webhooks.test(hook.id)

    killed = subprocess.run([sys.executable, "-c", KILLED], timeout=120, check=False)
    assert (killed.returncode, receiver.ids, hooks.only(hook).state) == (9, [message], DeliveryState.PENDING)
    with hooks.delivering():
        hooks.until(lambda: hooks.only(hook).state is DeliveryState.DELIVERED)

    assert receiver.ids == [message, message]
    assert len(receiver.verified(secret)) == 2


def test_slack_gets_a_sentence_in_which_nobody_can_call_everybody(hooks, installation, receiver):
    hooks.add(receiver.url, form=Format.SLACK)
    connection = installation.connect("Corner Store 1")
    with installation.engine.begin() as session:
        session.exec_driver_sql("UPDATE connection SET name = '<!channel> & Co'")
    installation.sync(connection)

    with hooks.delivering():
        receiver.wait()

    (got,) = receiver.got
    assert json.loads(got.body)["text"].startswith("&lt;!channel&gt; &amp; Co: synced, ")
    assert "webhook-signature" not in got.headers


def test_teams_gets_a_card_whose_text_is_no_markup(hooks, installation, receiver):
    hooks.add(f"{receiver.url}?sig=very-secret-part", form=Format.TEAMS)
    connection = installation.connect("Corner Store 1")
    with installation.engine.begin() as session:
        session.exec_driver_sql("UPDATE connection SET name = '[free](https://a.example) & <at>all</at>'")
    installation.sync(connection)

    with hooks.delivering():
        receiver.wait()

    (got,) = receiver.got
    message = json.loads(got.body)
    (attachment,) = message["attachments"]
    (block,) = attachment["content"]["body"]
    assert (message["type"], attachment["contentType"]) == ("message", "application/vnd.microsoft.card.adaptive")
    assert (block["type"], [run["type"] for run in block["inlines"]]) == ("RichTextBlock", ["TextRun"])
    assert block["inlines"][0]["text"].startswith("[free](https://a.example) & <at>all</at>: synced, ")
    assert "webhook-signature" not in got.headers


def test_secrets_are_nowhere_in_plain_text(hooks, installation, receiver, caplog):
    caplog.set_level("DEBUG")
    hook, secret = hooks.add(receiver.url)
    slack, _ = hooks.add(
        receiver.url.replace("127.0.0.1", "localhost").replace("/hooks", "/services/T0/very-secret-part"), form=Format.SLACK
    )
    receiver.answer(500)
    for each in (hook, slack):
        installation.app.webhooks.test(each.id)

    with hooks.delivering():
        hooks.until(lambda: hooks.only(hook).attempts and hooks.only(slack).attempts)

    installation.engine.dispose()
    stored = b"".join(path.read_bytes() for path in installation.app.settings.home.glob("control.db*"))
    for text in (secret.get_secret_value(), "very-secret-part"):
        assert text.encode() not in stored
        assert text not in caplog.text
        assert text not in str(installation.app.outbox.history(hook.id))
