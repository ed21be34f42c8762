"""A page that a user visits, served by somebody else on this machine, and what it gets from the Prefect server with a real browser."""

import re
import threading
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import expect
from prefect.client.orchestration import get_client

from adpulse import prefect_login

TRIES = """async ([api, deployment]) => {
    const json = {method: "POST", headers: {"Content-Type": "application/json"}, body: "{}"};
    const create = `${api}/deployments/${deployment}/create_flow_run`;
    const outcome = promise => promise.then(answer => answer.type === "opaque" ? "opaque" : `read ${answer.status}`, () => "failed");
    const socket = path => new Promise(resolve => {
        const opened = new WebSocket(api.replace("http", "ws") + path, ["prefect"]);
        opened.onopen = () => resolve("opened");
        opened.onclose = () => resolve("refused");
    });
    return {
        "read": await outcome(fetch(`${api}/flow_runs/filter`, json)),
        "read simply": await outcome(fetch(`${api}/health`)),
        "read without asking": await outcome(fetch(`${api}/health`, {mode: "no-cors"})),
        "start": await outcome(fetch(create, json)),
        "start simply": await outcome(fetch(create, {method: "POST", mode: "no-cors", body: "{}"})),
        "start without a type": await outcome(fetch(create, {method: "POST", mode: "no-cors", body: new Blob(["{}"])})),
        "events in": await socket("/events/in"),
        "logs out": await socket("/logs/out"),
    };
}"""
FORM = """([api, deployment]) => {
    document.body.innerHTML = '<form method="post" enctype="text/plain"><input></form>';
    Object.assign(document.querySelector("input"), {name: '{"name": "', value: '"}'});  // together it is JSON
    document.forms[0].action = `${api}/deployments/${deployment}/create_flow_run`;
    document.forms[0].submit();
}"""

FRAME = """url => new Promise(resolve => {
    const frame = document.createElement("iframe");
    frame.onload = resolve;
    frame.src = url;
    document.body.append(frame);
})"""


class _Page(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>Elsewhere</title><p>Elsewhere</p>")

    def log_message(self, *_):
        pass


@contextmanager
def page_of(port=0):
    """Somebody else's web server."""
    with ThreadingHTTPServer(("127.0.0.1", port), _Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def tab(chromium):
    """A window whose console may complain."""
    context = chromium.new_context()
    yield context.new_page()
    context.close()


@pytest.fixture
def api(running):
    return running.prefect["PREFECT_API_URL"]


@pytest.fixture
def deployment(running):  # noqa: ARG001 - it is asked
    with get_client(sync_client=True) as client:
        return str(client.read_deployment_by_name("google-sync/google-on-demand").id)


def started(deployment):
    with get_client(sync_client=True) as client:
        return {run.id for run in client.read_flow_runs() if str(run.deployment_id) == deployment}


def test_a_page_of_another_origin_reads_nothing_and_starts_nothing(tab, api, deployment):
    before = started(deployment)
    with page_of() as elsewhere:
        tab.goto(elsewhere)

        outcomes = tab.evaluate(TRIES, [api, deployment])
        with tab.expect_navigation():
            tab.evaluate(FORM, [api, deployment])

    assert outcomes == {
        "read": "failed",
        "read simply": "failed",
        "read without asking": "opaque",
        "start": "failed",
        "start simply": "opaque",
        "start without a type": "opaque",
        "events in": "refused",
        "logs out": "refused",
    }
    assert "Pages of another origin may not" in tab.content()
    assert started(deployment) == before


def test_a_page_of_another_origin_cannot_show_prefects_pages_in_a_frame(tab, api):
    with page_of() as elsewhere:
        tab.goto(elsewhere)
        tab.evaluate(FRAME, api.removesuffix("/api"))

        assert "Pages of another origin may not" in tab.frames[1].content()


def test_an_operator_gets_from_adpulses_pages_to_prefects_and_nobody_else_does(tab, running, address, api):
    pages = api.removesuffix("/api")
    tab.goto(f"{pages}/deployments")
    expect(tab.locator("input[type=password]")).to_be_visible(timeout=30_000)

    tab.goto(f"{address}/app/login/{running.app.sessions.link().get_secret_value()}")
    tab.get_by_role("link", name="Prefect", exact=True).click()
    expect(tab).to_have_url(re.compile(re.escape(pages) + "/(v2/)?dashboard"), timeout=30_000)
    tab.goto(f"{pages}/deployments")

    expect(tab.get_by_text("google-on-demand").first).to_be_visible(timeout=30_000)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_prefects_own_pages_work_with_either_name_of_this_machine(tab, api, running, host):
    pages = api.removesuffix("/api").replace("127.0.0.1", host)
    ticket = prefect_login.issue_ticket(prefect_login.existing_login(running.app.settings.home), datetime.now(UTC))

    tab.goto(f"{pages}{prefect_login.TICKET_PATH}/{ticket}?next=/deployments")
    expect(tab.get_by_text("google-on-demand").first).to_be_visible(timeout=30_000)
    outcomes = tab.evaluate(TRIES, [api, "00000000-0000-0000-0000-000000000000"])

    assert outcomes["read"] == "read 401"  # its origin may ask, but these requests show no password
    assert outcomes["start"] == "read 401"
    assert (outcomes["events in"], outcomes["logs out"]) == ("opened", "opened")
