"""What the guard around the Prefect server lets in, without Prefect: host and origin in all spellings."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse
from starlette.routing import Route

from adpulse import settings
from adpulse.errors import Usage
from deployments import server
from deployments.origins import ORIGINS, OwnOrigins, own_origins

PORT = 4200
NAMED = "http://prefect:4200,https://prefect.example.com"
OWN = [f"http://127.0.0.1:{PORT}", f"http://localhost:{PORT}", f"http://[::1]:{PORT}", *NAMED.split(",")]
FOREIGN = [
    "null",
    "*",
    "",
    "https://evil.example",
    "http://127.0.0.1:4201",
    "http://127.0.0.1",
    "https://127.0.0.1:4200",
    "http://127.0.0.1:4200.evil.example",
    "http://127.0.0.1:4200/",
    "http://prefect.example.com",
    "https://prefect.example.com.evil.example",
    "https://sub.prefect.example.com",
]


async def _star(_):
    return JSONResponse([1], headers={"Access-Control-Allow-Origin": "*"})


ANYBODY = Starlette(
    routes=[Route("/", _star, methods=["GET", "POST"])],
    middleware=[Middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["*"], allow_headers=["*"])],
)
GUARD = OwnOrigins(ANYBODY, own_origins("127.0.0.1", PORT, NAMED))


def asked(*headers, method="GET", kind="http", server=("127.0.0.1", PORT)):
    """What is answered: (status, headers) over HTTP, the first message's type for a WebSocket."""
    scope = {"type": kind, "path": "/", "query_string": b"", "server": server, "scheme": "http"}
    scope["headers"] = [(name.lower().encode(), value.encode()) for name, value in headers]
    if kind == "http":
        scope["method"] = method
    sent = []

    async def receive():
        return {"type": "http.request", "body": b""}

    async def send(message):
        sent.append(message)

    asyncio.run(GUARD(scope, receive, send))
    return sent[0]["status"], {name.decode(): value.decode() for name, value in sent[0]["headers"]}


def browser(origin=None, host=f"127.0.0.1:{PORT}", **more):
    named = [(name.replace("_", "-"), value) for name, value in more.items()]
    return [("Host", host), *([("Origin", origin)] if origin is not None else []), *named]


@pytest.mark.parametrize(
    "host", ["127.0.0.1:4200", "localhost:4200", "LOCALHOST:9999", "[::1]:4200", "prefect:4200", "prefect.example.com:443"]
)
def test_whoever_names_the_server_and_no_origin_gets_in(host):
    assert asked(*browser(host=host))[0] == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example:4200",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "prefect:4201",
        "10.0.0.5:4200",
        "",
        "[::1",
        "x@localhost:4200",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_a_foreign_host_is_refused_also_with_an_origin_of_its_own(host, method):
    statuses = [asked(*browser(origin, host), method=method)[0] for origin in (None, f"http://{host}", OWN[0])]

    assert statuses == [421, 421, 421]


def test_no_host_and_two_hosts_are_refused():
    assert asked()[0] == 421
    assert asked(*browser(), ("Host", "evil.example"))[0] == 421


def test_the_address_that_a_connection_came_in_at_is_known():
    assert asked(*browser("http://10.0.0.5:4200", "10.0.0.5:4200"), server=("10.0.0.5", PORT))[0] == 200
    assert asked(*browser(host="10.0.0.6:4200"), server=("10.0.0.5", PORT))[0] == 421


@pytest.mark.parametrize("origin", OWN)
def test_a_page_of_the_server_reads_its_answers_and_no_star_is_said(origin):
    status, headers = asked(*browser(origin))
    asked_first, allowed = asked(*browser(origin, access_control_request_method="POST"), method="OPTIONS")

    assert (status, headers["access-control-allow-origin"]) == (200, origin)
    assert "Origin" in headers["vary"]
    assert (asked_first, allowed["access-control-allow-origin"]) == (200, origin)
    assert "*" not in [*headers.values(), *allowed.values()]


@pytest.mark.parametrize("origin", FOREIGN)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_a_foreign_page_is_refused_and_told_nothing_that_lets_it_read_that(origin, method):
    status, headers = asked(*browser(origin, access_control_request_method="POST"), method=method)

    assert status == 403
    assert [name for name in headers if name.startswith("access-control")] == []


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40))
def test_no_origin_but_the_servers_own_gets_in(origin):
    assert (asked(*browser(origin))[0] == 200) == (origin in OWN)


def test_an_answer_without_a_question_from_a_page_has_no_star_either():
    assert "access-control-allow-origin" not in asked(*browser())[1]


def test_a_tunnel_to_another_port_works_and_a_page_at_another_port_does_not():
    assert asked(*browser("http://localhost:9000", "localhost:9000"))[0] == 200
    assert asked(*browser("http://localhost:9000", "localhost:4200"))[0] == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_what_another_page_embeds_is_refused_and_a_link_to_the_pages_is_not(site):
    link = {"sec_fetch_site": site, "sec_fetch_mode": "navigate", "sec_fetch_dest": "document"}

    assert asked(*browser(sec_fetch_site=site, sec_fetch_mode="no-cors", sec_fetch_dest="script"))[0] == 403
    assert asked(*browser(**link | {"sec_fetch_dest": "iframe"}))[0] == 403
    assert asked(*browser(**link), method="POST")[0] == 403
    assert asked(*browser(**link))[0] == 200


@pytest.mark.parametrize("site", ["same-origin", "none"])
def test_the_pages_own_requests_pass(site):
    assert asked(*browser(sec_fetch_site=site, sec_fetch_mode="cors", sec_fetch_dest="empty"), method="POST")[0] == 200


@pytest.mark.parametrize(
    "headers", [browser("http://127.0.0.1:4201"), browser("null"), browser(host="evil.example"), browser(sec_fetch_site="same-site")]
)
def test_a_websocket_is_closed_before_it_is_accepted(headers):
    sent = []

    async def inner(*_):
        sent.append("reached")

    async def send(message):
        sent.append(message["type"])

    scope = {
        "type": "websocket",
        "server": ("127.0.0.1", PORT),
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers],
    }
    asyncio.run(OwnOrigins(inner, own_origins("127.0.0.1", PORT))(scope, None, send))

    assert sent == ["websocket.close"]


def test_a_server_is_known_by_the_name_that_it_listens_at_and_by_where_its_pages_call_it(monkeypatch):
    monkeypatch.setenv("PREFECT_UI_API_URL", "https://pages.example/api")

    named = server._place("prefect.lan", 4200, NAMED)[ORIGINS].split(",")

    assert {"http://localhost:4200", "http://[::1]:4200", "http://prefect.lan:4200", "https://pages.example", *NAMED.split(",")} < set(
        named
    )
    monkeypatch.setenv("PREFECT_UI_API_URL", "/api")
    assert server._place("127.0.0.1", 4200, None)[ORIGINS].split(",") == [OWN[0], OWN[2], OWN[1]]


@pytest.mark.parametrize(
    ("given_as", "kept"),
    [
        ("http://prefect:4200", "http://prefect:4200"),
        ("HTTPS://Prefect.Example.com:443/, http://[fd00::5]:4200", "https://prefect.example.com,http://[fd00::5]:4200"),
    ],
)
def test_the_setting_is_kept_as_browsers_write_origins(monkeypatch, given_as, kept):
    monkeypatch.setenv("ADPULSE_PREFECT_ORIGINS", given_as)

    assert settings.Settings().prefect_origins == kept


@pytest.mark.parametrize("wrong", ["*", "prefect:4200", "ftp://prefect", "http://", "http://user:sentinel@prefect", "http://a,,http://b"])
def test_a_setting_that_is_no_origin_is_refused(monkeypatch, wrong):
    monkeypatch.setenv("ADPULSE_PREFECT_ORIGINS", wrong)
    settings.load.cache_clear()

    with pytest.raises(Usage, match=r"ADPULSE_PREFECT_ORIGINS: .*https://prefect") as refused:
        settings.load()
    assert "sentinel" not in str(refused.value)
