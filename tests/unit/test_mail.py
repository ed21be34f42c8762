"""Who is sent which event by e-mail, once a person and problem, and when."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from pydantic import SecretStr
from sqlalchemy import event as listening

from adpulse.errors import Unavailable, Usage
from adpulse.events import SUBSCRIBABLE, TROUBLE, Event, EventType, stale
from adpulse.mail_address import url_of
from adpulse.mail_message import SHOWN, Envelope, compose
from adpulse.model import ConnectionStatus, Lane, RunCounts
from storage.control import migrations
from storage.control.formats import Format
from storage.control.mail_outbox import MOST_MESSAGES
from storage.control.mail_recipients import Message, next_digest, next_mail
from storage.control.outbox import publish, store
from storage.control.runs import Leg

BEGIN, END = EventType.SYNC_FAILED, EventType.SYNC_COMPLETED
READ = Leg(counts=RunCounts(fetched=1, inserted=1, updated=0, unchanged=0), changes=1, changed_at=datetime(2026, 3, 20, 15, tzinfo=UTC))


@pytest.fixture
def add(plane):
    """Adds an address."""

    def create(events=SUBSCRIBABLE, *, address="person@example.com", form=Format.EMAIL, name="person", workspace=None):
        return plane.webhooks.create((workspace or plane.workspace).id, name, SecretStr(address), form, events)[0]

    return create


@pytest.fixture
def connection(plane):
    return plane.connect("1", name="Harbor Outdoor")


@pytest.fixture
def sync(plane, connection):
    """Ends a sync of the connection, well or not."""

    def run(*, fails):
        plane.runs.request(connection.id)
        (lease,) = plane.leases.claim_waiting("meta", Lane.ON_DEMAND, "flow-run")
        if fails:
            plane.runs.dead(lease, Leg(), Unavailable("Meta did not answer"), next_due_at=plane.clock.now())
        else:
            plane.runs.done(lease, READ)

    return run


@pytest.fixture
def envelope():
    return Envelope(
        sender=("adpulse", "adpulse@example.org"),
        address="person@example.com",
        key="k",
        sent_at=datetime(2026, 3, 21, 8, tzinfo=UTC),
        is_digest=True,
        public_url=None,
    )


def sent(plane, hook):
    """The types of a webhook's messages, oldest first."""
    return [one.event for one in reversed(plane.outbox.history(hook.id))]


def test_a_problem_is_sent_once_while_it_lasts_and_its_end_once(plane, add, sync):
    person = add()

    for fails in (False, True, True, False, False, True):
        sync(fails=fails)

    assert sent(plane, person) == [BEGIN, END, BEGIN]


def test_a_problem_whose_end_nobody_wants_to_hear_of_ends_all_the_same(plane, add, sync):
    person = add(TROUBLE)

    for fails in (True, True, False, True):
        sync(fails=fails)

    assert sent(plane, person) == [BEGIN, BEGIN]


def test_an_event_reaches_an_address_once_through_two_webhooks(plane, add, sync):
    first, second = add([BEGIN]), add([BEGIN, END], address="Person@Example.com", name="again")
    other = add([BEGIN], address="other@example.com")

    for fails in (True, True, False):
        sync(fails=fails)

    assert sorted([*sent(plane, first), *sent(plane, second)]) == [END, BEGIN]
    assert sent(plane, other) == [BEGIN]


@pytest.mark.parametrize("drop", ["disabled", "moved"])
def test_a_problem_whose_message_was_dropped_is_sent_again(plane, add, sync, drop):
    person = add()
    sync(fails=True)
    if drop == "disabled":
        plane.webhooks.change(person.id, enabled=False)
        plane.webhooks.change(person.id, enabled=True)
    else:
        plane.webhooks.change(person.id, url=SecretStr("new@example.com"))

    sync(fails=True)

    assert sent(plane, person) == [BEGIN, BEGIN]


def test_of_a_connection_only_the_problem_whose_message_was_refused_is_sent_again(plane, add, sync, connection):
    person, other = add(), add(address="other@example.com")
    plane.connections.set_status(connection.id, ConnectionStatus.BLOCKED, "Log in.")
    plane.wall.advance(timedelta(minutes=1))
    for mail in plane.mail_outbox.due():
        plane.mail_outbox.delivered(mail, 250)
    plane.connections.set_status(connection.id, ConnectionStatus.ACTIVE, None)
    sync(fails=True)
    refused = [one for one in plane.outbox.history(person.id) if one.event is BEGIN]
    plane.mail_outbox.failed(refused, 554, "The mail server refused the message: 554 too long")

    sync(fails=True)
    plane.connections.set_status(connection.id, ConnectionStatus.BLOCKED, "Log in.")

    assert sent(plane, person) == [EventType.NEEDS_ATTENTION, BEGIN, BEGIN]
    assert sent(plane, other) == [EventType.NEEDS_ATTENTION, BEGIN]


def test_many_events_for_many_people_take_no_more_statements_than_one(plane, add):
    one, *others = (plane.connect(str(number)) for number in range(6))
    people = [add(address=f"p{number}@example.com") for number in range(3)]
    statements = []
    listening.listen(plane.engine, "before_cursor_execute", lambda *call: statements.append(call[2].split()[0]))

    def publishing(connections):
        statements.clear()
        with plane.engine.begin() as session:
            publish(session, *[stale(connection, None) for connection in connections], now=plane.wall.now())
        return [verb for verb in statements if verb in {"SELECT", "INSERT"}]

    first = publishing([one])

    assert publishing([one, *others]) == first
    assert [len(sent(plane, person)) for person in people] == [6, 6, 6]


def test_an_account_that_stays_disabled_is_not_said_to_be_in_order_by_its_checks(plane, add, sync, connection):
    person = add()
    plane.connections.set_status(connection.id, ConnectionStatus.DISABLED, "Disabled.")
    plane.connections.set_status(connection.id, ConnectionStatus.ACTIVE, None)

    sync(fails=False)

    assert sent(plane, person) == [EventType.NEEDS_ATTENTION]


def test_a_connection_and_a_webhook_are_deleted_with_their_problems(plane, add, sync, connection):
    person, other = add(), add(address="other@example.com")
    sync(fails=True)

    plane.webhooks.remove(person.id)
    kept = sent(plane, other)
    plane.connections.delete(connection.id)

    assert kept == [BEGIN]
    assert plane.connections.all() == []


def test_an_older_version_can_read_the_webhooks_and_deliveries_that_are_left(plane, add):
    hook = add([BEGIN, EventType.DATA_ALERT_ENDED], address="https://93.184.216.34", form=Format.STANDARD)
    mailed = add()
    with plane.engine.begin() as session:
        for kind in (BEGIN, EventType.DATA_ALERT_ENDED):
            event = Event(type=kind, workspace_id=plane.workspace.id, data={})
            store(session, [Message(webhook_id=one.id, event=event, due=plane.wall.now()) for one in (hook, mailed)], plane.wall.now())

    migrations.downgrade(plane.engine, "0036")
    migrations.migrate(plane.engine)

    assert [(one.id, one.events) for one in plane.webhooks.all()] == [(hook.id, (BEGIN,))]
    assert sent(plane, hook) == [BEGIN]
    assert plane.outbox.history(mailed.id) == []


def test_what_is_due_for_an_address_is_one_mail_after_the_minute(plane, add):
    person = add()
    plane.wall.advance(next_mail(plane.wall.now(), EventType.SYNC_FAILED) - plane.wall.now())  # to the beginning of a minute
    for number in range(12):
        plane.connections.set_status(plane.connect(str(number)).id, ConnectionStatus.BLOCKED, "Log in.")
    before = plane.mail_outbox.due()
    plane.wall.advance(timedelta(minutes=1))

    (mail,) = plane.mail_outbox.due()

    assert (before, mail.address, len(mail.deliveries)) == ([], "person@example.com", 12)
    assert plane.mail_outbox.due([mail.key]) == plane.outbox.due(10) == []
    assert {one.webhook_id for one in mail.deliveries} == {person.id}


def test_an_address_with_very_many_messages_keeps_no_other_one_waiting(plane, add):
    many, other = add(address="many@example.com"), add()
    queue(plane, many, MOST_MESSAGES + 1)
    plane.wall.advance(timedelta(seconds=1))
    queue(plane, other, 1)

    both = plane.mail_outbox.due()

    assert [(mail.address, len(mail.deliveries)) for mail in both] == [("many@example.com", MOST_MESSAGES), ("person@example.com", 1)]
    assert plane.mail_outbox.due([], 1) == both[:1]
    assert plane.mail_outbox.due([both[0].key], 1) == both[1:]


def test_a_message_that_was_stored_while_its_address_was_disabled_is_not_sent(plane, add):
    hook = add()
    plane.webhooks.change(hook.id, enabled=False)
    queue(plane, hook, 1)

    assert plane.mail_outbox.due() == []


def queue(plane, hook, count):
    """Stores messages of a webhook that are due at once."""
    event = Event(type=EventType.TEST, workspace_id=plane.workspace.id, data={})
    with plane.engine.begin() as session:
        store(session, [Message(webhook_id=hook.id, event=event, due=plane.wall.now())] * count, plane.wall.now())


def test_a_digest_waits_for_eight_in_the_zone_of_most_connections(plane, add, connection):
    daily = add(form=Format.EMAIL_DAILY)
    with plane.engine.begin() as session:
        session.exec_driver_sql("UPDATE connection SET timezone = 'Asia/Tokyo'")

    plane.connections.set_status(connection.id, ConnectionStatus.BLOCKED, "Log in.")

    (waiting,) = plane.outbox.history(daily.id)
    assert waiting.next_attempt_at.astimezone(ZoneInfo("Asia/Tokyo")).strftime("%H:%M:%S") == "08:00:00"
    assert timedelta(0) < waiting.next_attempt_at - plane.wall.now() <= timedelta(days=1)


def test_when_messages_are_collected():
    now = datetime(2026, 3, 28, 7, 30, 30, tzinfo=UTC)
    berlin = ZoneInfo("Europe/Berlin")

    assert next_mail(now, EventType.SYNC_FAILED) == datetime(2026, 3, 28, 7, 31, tzinfo=UTC)
    alerts = [next_mail(now.replace(second=second), EventType.DATA_ALERT) for second in (0, 14, 15, 59)]
    assert [each.strftime("%M:%S") for each in alerts] == ["30:15", "30:15", "30:30", "31:00"]
    assert next_mail(now, EventType.DATA_ALERT_ENDED) == datetime(2026, 3, 28, 7, 30, 45, tzinfo=UTC)
    assert next_digest(now, ZoneInfo("UTC")) == datetime(2026, 3, 28, 8, tzinfo=UTC)
    assert next_digest(now, berlin) == datetime(2026, 3, 29, 6, tzinfo=UTC)  # the clocks went forward that night


@pytest.mark.parametrize("address", ["person@example.com", "mailto:p.e+ads@Sub.Example.COM"])
def test_an_address_is_a_url(address):
    assert url_of(address).startswith("mailto:p")
    assert url_of(address).endswith(".com")


@pytest.mark.parametrize(
    "address",
    [
        "person",
        "person@localhost",
        "a@example.com,b@example.com",
        "a@example.com\r\nBcc: b@example.com",
        "a b@example.com",
        "Person <a@example.com>",
        "a@example.com?bcc=b@example.com",
        "ä@example.com",
        f"{'a' * 250}@example.com",
        "https://example.com",
    ],
)
def test_what_is_no_single_address_is_refused(address):
    with pytest.raises(Usage, match="one address, nothing but ASCII"):
        url_of(address)


def test_of_many_messages_about_an_account_the_newest_are_listed_and_the_rest_is_counted(envelope):
    data = {"workspace_id": "w", "connection_id": "c", "connection": "Harbor", "provider": "meta", "external_id": "1"}
    restated = {"since": "2026-03-01", "until": "2026-03-02"}
    messages = [
        json.dumps({"type": "data.restated", "timestamp": f"2026-03-20T15:{rows:02}:00+00:00", "data": {**data, **restated, "rows": rows}})
        for rows in range(SHOWN + 5)
    ]

    mail = compose(messages, envelope)

    text = mail.get_body(("plain",)).get_content()
    assert mail["Subject"] == f"[adpulse] Daily digest: Harbor: restated numbers and {SHOWN + 4} more"
    assert (text.count("stored rows"), "Harbor: 4 stored" in text, "Harbor: 5 stored" in text) == (SHOWN, False, True)
    assert "and 5 more before them" in text
    assert "http" not in text


def test_two_accounts_of_one_name_are_two_lines(envelope):
    messages = [
        json.dumps({"type": "sync.failed", "timestamp": "2026-03-20T15:00:00+00:00", "data": _failed("w", "c", "1")}),
        json.dumps({"type": "sync.failed", "timestamp": "2026-03-20T15:00:00+00:00", "data": _failed("w", "d", "2")}),
        json.dumps({"type": "sync.failed", "timestamp": "2026-03-20T15:00:00+00:00", "data": _failed("v", "e", "1")}),
    ]

    mail = compose(messages, replace(envelope, public_url="https://ads.example.org"))

    text = mail.get_body(("plain",)).get_content()
    assert text.count("Harbor: the sync failed") == 3
    assert [text.count(f"/app/connections/{connection}\n") for connection in "cde"] == [1, 1, 1]
    assert mail["Subject"] == "[adpulse] Daily digest: Harbor: the sync failed and 2 more"


def _failed(workspace, connection, external_id):
    about = {"workspace_id": workspace, "connection_id": connection, "connection": "Harbor", "provider": "meta", "external_id": external_id}
    return about | {"job_id": "j", "error": "Meta did not answer.", "error_code": "2", "attempts": 18}


def test_what_happens_twice_to_an_account_is_two_lines(envelope):
    messages = [
        json.dumps({"type": "sync.failed", "timestamp": f"2026-03-20T{hour}:00:00+00:00", "data": _failed("w", "c", "1")})
        for hour in (15, 18)
    ]

    text = compose(messages, envelope).get_body(("plain",)).get_content()

    assert [line[:24] for line in text.splitlines() if "the sync failed" in line] == [
        "- 2026-03-20 15:00 UTC  ",
        "- 2026-03-20 18:00 UTC  ",
    ]
