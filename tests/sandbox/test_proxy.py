"""Unmodified clients reach the sandbox under the platforms' own host names, and nothing else."""

import contextlib
import gc
import json
import os
import socket
import ssl
import subprocess
import sys
from urllib.parse import urlsplit

import pytest
import requests

from adpulse.cli.processes import process
from adpulse_sandbox import Sandbox
from adpulse_sandbox.google.login import CLIENT_ID, CLIENT_SECRET
from adpulse_sandbox.proxy import TOKEN_HOSTS, Proxy

CAMPAIGNS = "https://graph.facebook.com/v25.0/act_{account}/campaigns"


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox.start() as running:
        yield running


@pytest.fixture
def proxy(sandbox):
    with Proxy(sandbox) as running:
        yield running


@pytest.fixture
def session(proxy, monkeypatch):
    """A session that knows of the proxy and its authority by the environment's variables alone."""
    for name, value in proxy.environment.items():
        monkeypatch.setenv(name, value)
    with requests.Session() as session:
        yield session


def test_meta_answers_under_its_own_host_name(session, sandbox):
    address = CAMPAIGNS.format(account=sandbox.world.account("Lantern Books").id)

    answer = session.get(address, params={"access_token": sandbox.world.token("varied").value, "limit": 1}, timeout=30)

    assert answer.status_code == 200
    assert answer.url.startswith("https://graph.facebook.com/")
    assert len(answer.json()["data"]) == 1


def test_links_to_further_pages_are_of_the_host_that_was_called(session, sandbox, proxy):
    params = {"access_token": sandbox.world.token("varied").value, "limit": 1}
    address, names = CAMPAIGNS.format(account=sandbox.world.account("Lantern Books").id), []

    while address:
        page = session.get(address, params=params, timeout=30).json()
        names += [campaign["id"] for campaign in page["data"]]
        address, params = page.get("paging", {}).get("next"), {}
        assert address is None or address.startswith("https://graph.facebook.com/")

    assert len(set(names)) == len(names) == 3
    assert not proxy.refused


@pytest.mark.parametrize("host", TOKEN_HOSTS)
def test_google_gives_access_tokens_under_each_of_its_host_names(session, sandbox, host):
    form = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "grant_type": "refresh_token"}
    refresh_token = sandbox.google.world.credentials["single"].refresh_token

    answer = session.post(f"https://{host}/token", data={**form, "refresh_token": refresh_token}, timeout=30)

    assert answer.json()["access_token"]


def test_googles_sdk_reads_over_grpc_with_nothing_but_the_variables(proxy, sandbox):
    customer, token = sandbox.google.world.customer("Alpenglow Reisen").id, sandbox.google.world.credentials["single"].refresh_token
    login = {
        "developer_token": "any",
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "refresh_token": token,
        "use_proto_plus": True,
    }
    program = f"""
from google.ads.googleads.client import GoogleAdsClient
client = GoogleAdsClient.load_from_dict({login!r}, version="v23")
rows = client.get_service("GoogleAdsService").search(customer_id="{customer}", query="SELECT customer.descriptive_name FROM customer")
print(*(row.customer.descriptive_name for row in rows))
"""
    environment = {**os.environ, **proxy.environment}
    environment.pop("GOOGLE_ADS_CONFIGURATION_FILE_PATH", None)

    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)

    assert done.stdout == "Alpenglow Reisen\n", done.stderr


@pytest.mark.parametrize(
    ("address", "noted"),
    [
        ("https://example.org/", "example.org"),
        ("https://graph.facebook.com:8443/", "graph.facebook.com"),
        ("http://graph.facebook.com/v25.0/me?access_token=secret", "http://graph.facebook.com"),
    ],
    ids=["another name", "another port", "without TLS"],
)
def test_whatever_else_a_client_asks_for_is_refused_and_noted_without_its_parameters(session, proxy, address, noted):
    try:
        status = session.get(address, timeout=30).status_code
    except requests.exceptions.ProxyError:
        status = 403

    assert status == 403
    assert dict(proxy.refused) == {noted: 1}


def test_who_does_not_trust_the_authority_reads_nothing(session, monkeypatch):
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name)

    with pytest.raises(requests.exceptions.SSLError):
        session.get("https://graph.facebook.com/v25.0/me", timeout=30)


def test_a_connection_that_ends_while_the_platform_still_answers_leaves_nothing_behind(session, proxy, caplog):
    context = ssl.create_default_context(cafile=str(proxy.certificate))
    context.set_alpn_protocols(["h2"])
    with socket.create_connection(("127.0.0.1", urlsplit(proxy.url).port)) as plain:
        plain.sendall(b"CONNECT googleads.googleapis.com:443 HTTP/1.1\r\n\r\n")
        assert plain.recv(1024).startswith(b"HTTP/1.1 200")
        with context.wrap_socket(plain, server_hostname="googleads.googleapis.com") as client:
            client.recv(1)  # the platform's first frame, of which the rest is not read
            with contextlib.suppress(ssl.SSLError):
                client.unwrap()

    session.get("https://graph.facebook.com/v25.0/me", timeout=30)  # after it, the proxy knows of the end of the first one
    gc.collect()

    assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == []


def test_a_stopped_proxy_has_freed_its_port_and_removed_its_certificate(sandbox):
    with Proxy(sandbox) as running:
        url = running.url

    assert not running.certificate.exists()
    with pytest.raises(requests.exceptions.ConnectionError):
        requests.get(url, timeout=5)


def test_the_command_prints_the_variables_with_which_a_client_reaches_meta(monkeypatch):
    with process("sandbox", "--rate", "0", "--proxy", "--json", ready="control_url") as lines:
        printed = json.loads(lines[-1])
        for name, value in printed["proxy"].items():
            monkeypatch.setenv(name, value)

        answer = requests.get("https://graph.facebook.com/v25.0/me", params={"access_token": printed["tokens"]["full"]}, timeout=30)

    assert answer.status_code == 200
