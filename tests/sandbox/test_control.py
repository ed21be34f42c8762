"""The control endpoint: clock, call log, truth, and nothing beyond loopback."""

import socket
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import httpx
import pyarrow as pa
import pytest

from adpulse_sandbox import Sandbox
from adpulse_sandbox.meta.specs import VARIED
from adpulse_sandbox.remote import Remote

NOON = datetime(2026, 4, 1, 12, 0, tzinfo=UTC)
TRUTH_QUERY = {"since": "2026-03-01", "until": "2026-03-03", "as_of": "2026-03-20T15:00:00+00:00"}


def table(answer):
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/vnd.apache.arrow.stream")
    return pa.ipc.open_stream(answer.content).read_all()


def test_the_health_route_answers_ok(control):
    assert control.get("/health").json() == {"status": "ok"}


def test_a_frozen_clock_stands_still(control):
    clocks = [control.get("/clock").json() for _ in range(3)]

    assert clocks == [{"now": "2026-03-20T15:00:00+00:00", "rate": 0.0}] * 3


def test_the_clock_is_set_and_every_answer_follows(control, ask_own, sandbox):
    clock = control.post("/clock", json={"set": "2026-04-01T14:00:00+02:00"}).json()

    harbor = sandbox.world.account("Harbor Outdoor")
    (row,) = ask_own(f"act_{harbor.id}/insights", date_preset="yesterday").json()["data"]
    assert clock == {"now": "2026-04-01T12:00:00+00:00", "rate": 0.0}
    assert sandbox.clock.now() == NOON
    assert row["date_start"] == "2026-03-31"


def test_the_clock_steps_ahead(control, sandbox):
    control.post("/clock", json={"advance_seconds": 900})
    clock = control.post("/clock", json={"advance_seconds": 0.5}).json()

    assert clock["now"] == "2026-03-20T15:15:00.500000+00:00"
    assert sandbox.clock.now() == datetime(2026, 3, 20, 15, 15, 0, 500_000, tzinfo=UTC)


def test_the_clock_runs_at_a_rate_and_can_be_frozen_again(control):
    running = control.post("/clock", json={"rate": 1_000_000.0}).json()
    control.get("/clock")
    frozen = [control.post("/clock", json={"rate": 0}).json(), control.get("/clock").json()]

    assert running["rate"] == 1_000_000.0
    assert datetime.fromisoformat(frozen[0]["now"]) > datetime.fromisoformat(running["now"])
    assert frozen[0] == frozen[1]
    assert frozen[0]["rate"] == 0.0


def test_one_request_can_set_step_and_freeze(control):
    clock = control.post("/clock", json={"set": NOON.isoformat(), "advance_seconds": 60, "rate": 0}).json()

    assert clock == {"now": "2026-04-01T12:01:00+00:00", "rate": 0.0}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"set": "2026-04-01T12:00:00"}, "ValueError: 2026-04-01T12:00:00 has no time zone"),
        ({"set": "noon"}, "ValueError: Invalid isoformat string: 'noon'"),
        ({"advance_seconds": "soon"}, "ValueError: could not convert string to float: 'soon'"),
        ({"rate": None}, "TypeError: float() argument must be a string or a real number, not 'NoneType'"),
    ],
    ids=["naive instant", "no instant", "no number of seconds", "no rate"],
)
def test_a_wrong_word_to_the_clock_is_refused_and_changes_nothing(control, body, message):
    answer = control.post("/clock", json=body)

    assert (answer.status_code, answer.json()) == (400, {"error": message})
    assert control.get("/clock").json() == {"now": "2026-03-20T15:00:00+00:00", "rate": 0.0}


@pytest.mark.parametrize("body", ["{", "[1]", '"now"'], ids=["cut off", "list", "word"])
def test_a_body_that_is_no_object_is_refused(control, body):
    answer = control.post("/clock", content=body)

    assert answer.status_code == 400
    assert set(answer.json()) == {"error"}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/banana"),
        ("GET", "/truth"),
        ("GET", "/truth/banana"),
        ("DELETE", "/clock"),
        ("POST", "/calls"),
        ("GET", "/clock/now"),
    ],
)
def test_an_unknown_path_is_not_found(control, method, path):
    answer = control.request(method, path)

    assert (answer.status_code, answer.json()) == (404, {"error": f"The sandbox has no {method} {path}."})


def test_a_call_is_logged_with_all_that_matters(control, ask_own, sandbox):
    harbor = sandbox.world.account("Harbor Outdoor")
    page = ask_own(f"act_{harbor.id}/ads", limit="10", fields="name").json()

    ask_own.http.get(page["paging"]["next"])

    _, second = control.get("/calls").json()
    assert second == {
        "seq": 2,
        "at": "2026-03-20T15:00:00+00:00",
        "account": harbor.id,
        "kind": "ads",
        "method": "GET",
        "path": f"act_{harbor.id}/ads",
        "params": {"limit": "10", "fields": "name", "after": page["paging"]["cursors"]["after"]},
        "offset": 10,
        "status": 200,
        "rows": 10,
        "fault": None,
    }


def test_failures_and_faults_are_logged_too(control, ask_own, sandbox):
    harbor = sandbox.world.account("Harbor Outdoor")
    control.post("/faults", json={"rules": [{"action": "throttle", "count": 1}]})

    ask_own(f"act_{harbor.id}/ads")
    ask_own("me", token=None)
    ask_own("act_4711")

    logged = [(call["seq"], call["account"], call["status"], call["fault"], call["rows"]) for call in control.get("/calls").json()]
    assert logged == [(1, harbor.id, 400, "throttle", None), (2, "", 400, None, None), (3, "", 400, None, None)]


def test_the_call_log_is_filtered_by_account_and_can_be_cleared(control, ask_own, sandbox):
    harbor, sakura = sandbox.world.account("Harbor Outdoor").id, sandbox.world.account("Sakura Tea").id
    for account in (harbor, sakura, harbor):
        ask_own(f"act_{account}")

    own = control.get("/calls", params={"account": harbor}).json()
    forgotten = control.delete("/calls").json()

    assert [(call["seq"], call["account"]) for call in own] == [(1, harbor), (3, harbor)]
    assert (forgotten, control.get("/calls").json()) == ([], [])


def test_no_token_is_ever_in_the_call_log(control, ask_own, sandbox):
    harbor = sandbox.world.account("Harbor Outdoor")
    tokens = control.get("/world").json()["tokens"]
    for label in tokens:
        ask_own("me", token=label)
    ask_own("me", token=None, headers={"authorization": f"Bearer {tokens['full']}"})
    ask_own("me", token="EAAneverseenbefore")
    ask_own("me", appsecret_proof="ab" * 32)
    ask_own(f"act_{harbor.id}/insights", method="POST")
    ask_own("", method="POST", batch=[{"relative_url": f"me?access_token={tokens['single']}"}])
    ask_own.http.get(ask_own(f"act_{harbor.id}/ads").json()["paging"]["next"])

    log = control.get("/calls")

    assert len(log.json()) == len(tokens) + 7
    assert not [token for token in (*tokens.values(), "EAA", "ab" * 32, "access_token") if token in log.text]


def test_the_world_is_described(control, sandbox):
    description = control.get("/world").json()

    assert description["graph_url"] == sandbox.graph_url
    assert [(row["name"], row["currency"], row["timezone"], row["status"], row["ads"]) for row in description["accounts"]][:4] == [
        ("Harbor Outdoor", "USD", "America/New_York", 1, 150),
        ("Nordlicht Moebel", "EUR", "Europe/Berlin", 1, 2000),
        ("Sakura Tea", "JPY", "Asia/Tokyo", 1, 60),
        ("Closed Shop", "USD", "America/Chicago", 2, 4),
    ]
    assert {row["name"] for row in description["accounts"][4:]} == {spec.name for spec in VARIED}
    assert set(description["tokens"]) == {
        "agency", "full", "single", "varied", "none", "unscoped", "expired", "expiring", "system_user", "system_user_both",
        "business_system_user", "page", "other_app", "other_app_user", "strict_app", "app", "other_apps_own",
    }  # fmt: skip


def test_truth_comes_as_arrow(control, sandbox):
    account = sandbox.world.account("Harbor Outdoor").id
    days = (date(2026, 3, 1), date(2026, 3, 3))
    query = {"account": account, **TRUTH_QUERY}

    metrics = table(control.get("/truth/metrics", params={**query, "margin": "0.4"}))
    totals = table(control.get("/truth/totals", params=query))
    complete = table(control.get("/truth/totals", params={**query, "complete": "1"}))
    entities = table(control.get("/truth/entities", params={"account": account, "as_of": TRUTH_QUERY["as_of"]}))

    now = sandbox.clock.now()
    assert metrics.equals(sandbox.truth.metrics(account, *days, now, Decimal("0.4")))
    assert totals.equals(sandbox.truth.totals(account, *days, now))
    assert complete.equals(sandbox.truth.totals(account, *days, now, complete=True))
    assert entities.equals(sandbox.truth.entities(account, now))
    assert min(metrics.num_rows, totals.num_rows, entities.num_rows) > 0
    assert not totals.equals(complete)


def test_truth_of_an_empty_range_is_a_table_without_rows(control, sandbox):
    account = sandbox.world.account("Harbor Outdoor").id

    metrics = table(control.get("/truth/metrics", params={"account": account, **TRUTH_QUERY, "since": "2024-01-01", "until": "2024-01-01"}))

    assert metrics.num_rows == 0
    assert metrics.schema.field("spend").type == pa.int64()
    assert metrics.schema.field("date").type == pa.date32()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"as_of": "2026-03-20T15:00:00"}, "has no time zone"),
        ({"since": "yesterday"}, "Invalid isoformat string"),
        ({"account": "4711"}, "KeyError: '4711'"),
        ({"margin": "half"}, "InvalidOperation"),
    ],
    ids=["naive instant", "no date", "no such account", "no margin"],
)
def test_a_wrong_question_about_the_truth_is_refused(control, sandbox, change, message):
    query = {"account": sandbox.world.account("Harbor Outdoor").id, **TRUTH_QUERY, **change}

    answer = control.get("/truth/metrics", params=query)

    assert answer.status_code == 400
    assert message in answer.json()["error"]


def test_a_question_without_an_account_is_refused(control):
    answer = control.get("/truth/metrics", params=TRUTH_QUERY)

    assert (answer.status_code, answer.json()) == (400, {"error": "KeyError: 'account'"})


def test_only_loopback_is_bound(sandbox):
    bound = [server.socket.getsockname() for server in sandbox.servers]

    assert [host for host, _ in bound] == ["127.0.0.1"] * 3
    assert [f"http://{host}:{port}" for host, port in bound] == [sandbox.graph_url, sandbox.login_url, sandbox.control_url]
    assert all(server.address_family == socket.AF_INET for server in sandbox.servers)


def test_two_sandboxes_do_not_share_anything(bare, control, sandbox):
    with Sandbox.start(seed=2) as other:
        ask_other = bare(other)
        ask_other("me")
        other.clock.advance(3600)

        foreign = ask_other("me", token=sandbox.world.token("full").value)

    assert foreign.json()["error"]["code"] == 190
    assert control.get("/calls").json() == []
    assert control.get("/clock").json()["now"] == "2026-03-20T15:00:00+00:00"


def test_a_stopped_sandbox_answers_no_more():
    with Sandbox.start() as sandbox:
        alive = httpx.get(f"{sandbox.control_url}/health", trust_env=False)

    assert alive.status_code == 200
    for url in (sandbox.control_url, sandbox.graph_url):
        with pytest.raises(httpx.ConnectError):
            httpx.get(url, trust_env=False)


def test_the_remote_returns_what_the_endpoint_returns(sandbox, control, ask_own):
    remote, account = Remote(f"{sandbox.control_url}/"), sandbox.world.account("Sakura Tea").id
    since, until, as_of = date(2026, 3, 1), date(2026, 3, 3), sandbox.clock.now()
    remote.fault("transient", kind="node", count=1)
    struck = ask_own(f"act_{account}").status_code
    log = remote.calls(account)
    metrics = remote.truth_metrics(account, since=since, until=until, as_of=as_of, margin=Decimal("0.25"))
    totals = remote.truth_totals(account, since=since, until=until, as_of=as_of, complete=True)
    entities = remote.truth_entities(account, as_of=as_of)
    remote.clear_faults()
    remote.set(NOON)
    stepped = remote.advance(60)

    assert (struck, log, remote.calls("4711")) == (500, control.get("/calls").json(), [])
    assert metrics.equals(sandbox.truth.metrics(account, since, until, as_of, Decimal("0.25")))
    assert totals.equals(sandbox.truth.totals(account, since, until, as_of, complete=True))
    assert entities.equals(sandbox.truth.entities(account, as_of))
    assert control.get("/faults").json() == []
    assert stepped == remote.now() == NOON + timedelta(minutes=1)
    assert remote.world() == control.get("/world").json()


def test_the_remote_raises_what_is_refused(sandbox):
    remote = Remote(sandbox.control_url)

    with pytest.raises(OSError, match="400 Client Error"):
        remote.fault("banana")
