"""A running sandbox and a bare HTTP client, without any code of the product between a test and the wire."""

import json
from datetime import UTC, datetime

import httpx
import pytest
from google_rest import Rest
from google_sdk import Ads

from adpulse_sandbox import Sandbox


class Bare:
    """A client of a sandbox's Graph endpoint; parameters that are no text are sent as JSON."""

    def __init__(self, sandbox, timeout=30.0):
        self.sandbox = sandbox
        self.http = httpx.Client(base_url=sandbox.graph_url, trust_env=False, timeout=timeout)

    def __call__(self, path, *, method="GET", token="full", version="v25.0", headers=None, **params):
        labels = {entry.label: entry.value for entry in self.sandbox.world.tokens.values()}
        sent = {name: value if isinstance(value, str) else json.dumps(value) for name, value in params.items()}
        if token is not None:
            sent["access_token"] = labels.get(token, token)
        form = {"data": sent} if method in ("POST", "PUT") else {"params": sent}
        return self.http.request(method, f"/{version}/{path}", headers=headers, **form)

    def rows(self, path, **params):
        """Every row of a listing, page by page along ``next``."""
        answer = self(path, **params).json()
        rows = list(answer["data"])
        while "next" in answer.get("paging", {}):
            answer = self.http.get(answer["paging"]["next"]).json()
            rows += answer["data"]
        return rows

    def close(self):
        self.http.close()


@pytest.fixture(scope="session")
def standing():
    """One sandbox with a frozen clock for every test that only reads."""
    with Sandbox.start() as running:
        yield running


@pytest.fixture(scope="session")
def newest():
    """One at an instant at which every version that the sandbox knows is answered; its clock is frozen, too."""
    with Sandbox.start(now=datetime(2026, 11, 20, 15, tzinfo=UTC)) as running:
        yield running


@pytest.fixture(scope="session")
def ask_newest(newest):
    client = Bare(newest)
    yield client
    client.close()


@pytest.fixture(scope="session")
def ask(standing):
    client = Bare(standing)
    yield client
    client.close()


@pytest.fixture
def sandbox():
    """A sandbox of its own for a test that steps the clock, arms faults or reads the log."""
    with Sandbox.start() as running:
        yield running


@pytest.fixture
def ask_own(sandbox):
    client = Bare(sandbox)
    yield client
    client.close()


@pytest.fixture
def bare():
    """Makes clients for sandboxes a test starts itself."""
    clients = []

    def make(sandbox, **options):
        clients.append(Bare(sandbox, **options))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def control(sandbox):
    """The control endpoint of the test's own sandbox."""
    with httpx.Client(base_url=sandbox.control_url, trust_env=False, timeout=30) as client:
        yield client


@pytest.fixture(scope="session")
def harbor(standing):
    """The account in New York that most tests use."""
    return standing.world.account("Harbor Outdoor")


@pytest.fixture(scope="session")
def alpenglow(standing):
    """The official SDK and the customer with Search and Performance Max, for every test that only reads."""
    return Ads(standing.google)


@pytest.fixture(scope="session")
def pacific(standing):
    """The official SDK and the customer with all channels."""
    return Ads(standing.google, "Pacific Trail Outfitters")


@pytest.fixture(scope="session")
def rest(standing):
    """Google's REST interface, for every test that only reads."""
    client = Rest(standing.google)
    yield client
    client.http.close()
