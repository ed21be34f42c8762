"""A provider's client with everything around it that a test wants to look at."""

from datetime import date
from decimal import Decimal

import pyarrow as pa
from pydantic import SecretStr
from trust import trust

from adpulse.frequency import Frequency
from adpulse.model import METRIC_SCHEMA, METRICS, SPLIT_METRICS, Connection, ConnectionStatus, Fetch, FetchKind, Heat, Provider
from adpulse.providers import google_client
from adpulse.providers.google_client import GoogleClient
from adpulse.providers.google_credentials import OauthClient, parse
from adpulse.providers.meta_client import Endpoint, MetaClient
from adpulse.sandbox.google import oauth

TODAY = date(2026, 3, 20)


class MetaRig:
    """The product's client over the unmodified SDK; counts the slots it takes and notes how long it would have slept."""

    def __init__(self, sandbox, token="full", page_size=500, version="v26.0"):
        self.sandbox = sandbox
        self.slots = 0
        self.slept = []
        self.secret = sandbox.world.token(token).value if token in ("full", "single", "unscoped", "expired", "expiring") else token
        endpoint = Endpoint(graph_url=sandbox.graph_url, version=version, page_size=page_size, timeout=5)
        self.client = MetaClient(SecretStr(self.secret), endpoint, sleep=self.slept.append)

    def slot(self):
        self.slots += 1

    def connection(self, name="Harbor Outdoor", margin="1"):
        account = self.sandbox.world.account(name)
        return Connection(
            id=f"c-{account.spec.number}",
            workspace_id="w",
            provider=Provider.META,
            external_id=account.id,
            name=name,
            currency=account.spec.currency,
            timezone=account.spec.timezone,
            frequency=Frequency.MANUAL,
            status=ConnectionStatus.ACTIVE,
            gross_margin=Decimal(margin),
            credential_id="k",
            scope="meta",
            ad_count=None,
        )

    def ads(self, name="Harbor Outdoor", since=TODAY, until=TODAY, margin="1"):
        return self._metrics(FetchKind.ADS, name, since, until, margin)

    def totals(self, name="Harbor Outdoor", since=TODAY, until=TODAY, margin="1"):
        return self._metrics(FetchKind.CAMPAIGNS, name, since, until, margin)

    def _metrics(self, kind, name, since, until, margin):
        fetch = Fetch(kind=kind, heat=Heat.HOT, cost=1, since=since, until=until)
        return self.client.metrics(self.connection(name, margin), fetch, self.slot)

    def entities(self, name="Harbor Outdoor", changed_since=None):
        kind = FetchKind.ENTITIES_CHANGED if changed_since else FetchKind.ENTITIES_FULL
        fetch = Fetch(kind=kind, heat=Heat.COLD, cost=1, changed_since=changed_since)
        return self.client.entities(self.connection(name), fetch, self.slot)

    def truth(self, name="Harbor Outdoor", since=TODAY, until=TODAY, margin="1", level="ad"):
        account = self.sandbox.world.account(name).id
        ask = self.sandbox.truth.metrics if level == "ad" else self.sandbox.truth.totals
        return ask(account, since, until, self.sandbox.clock.now(), Decimal(margin))


class GoogleRig:
    """The same for Google: the product's client over the unmodified google-ads SDK."""

    def __init__(self, sandbox, token="full", version="v26", timeout=20):
        trust()
        self.sandbox = sandbox
        self.slots = 0
        self.slept = []
        known = sandbox.google.world.credentials
        self.secret = known[token].refresh_token if token in known else token
        client = OauthClient(token_url=sandbox.google.token_url, id=oauth.CLIENT_ID, secret=SecretStr(oauth.CLIENT_SECRET))
        endpoint = google_client.Endpoint(address=sandbox.google.endpoint, version=version, timeout=timeout)
        self.client = GoogleClient(parse(SecretStr(self.secret), client), endpoint, sleep=self.slept.append)

    def slot(self):
        self.slots += 1

    def connection(self, name="Alpenglow Reisen", margin="1", **facts):
        """A connection as discovery would make it: clients of managers are reached through the manager at the top."""
        world = self.sandbox.google.world
        customer = world.customer(name)
        top = next(each for each in world.customers.values() if each.spec.manager and each.spec.parent is None)
        told = {
            "id": f"g-{customer.spec.number}",
            "workspace_id": "w",
            "provider": Provider.GOOGLE,
            "external_id": customer.id,
            "name": name,
            "currency": customer.spec.currency,
            "timezone": customer.spec.timezone,
            "frequency": Frequency.MANUAL,
            "status": ConnectionStatus.ACTIVE,
            "gross_margin": Decimal(margin),
            "credential_id": "k",
            "scope": "google:sandbox",
            "ad_count": None,
            "login_customer_id": top.id,
        }
        return Connection(**told | facts)

    def ads(self, name="Alpenglow Reisen", since=TODAY, until=TODAY, margin="1"):
        """The leaves with all ten metrics: both reads of theirs, put together by key."""
        base, split = (self._metrics(kind, name, since, until, margin).to_pylist() for kind in (FetchKind.ADS, FetchKind.CATEGORIES))
        by_key = {(row["level"], row["external_id"], row["date"]): row for row in split}
        nothing = dict.fromkeys(SPLIT_METRICS, 0)
        rows = []
        for row in base:
            told = by_key.pop((row["level"], row["external_id"], row["date"]), nothing)
            rows.append(row | {metric: told[metric] for metric in SPLIT_METRICS})
        assert by_key == {}, "conversions of leaves that have no numbers"
        return pa.Table.from_pylist(rows, schema=METRIC_SCHEMA)

    def totals(self, name="Alpenglow Reisen", since=TODAY, until=TODAY, margin="1"):
        return self._metrics(FetchKind.CAMPAIGNS, name, since, until, margin)

    def _metrics(self, kind, name, since, until, margin):
        fetch = Fetch(kind=kind, heat=Heat.HOT, cost=1, since=since, until=until)
        return self.client.metrics(self.connection(name, margin), fetch, self.slot)

    def entities(self, name="Alpenglow Reisen", changed_since=None):
        kind = FetchKind.ENTITIES_CHANGED if changed_since else FetchKind.ENTITIES_FULL
        fetch = Fetch(kind=kind, heat=Heat.COLD, cost=1, changed_since=changed_since)
        return self.client.entities(self.connection(name), fetch, self.slot)

    def truth(self, name="Alpenglow Reisen", since=TODAY, until=TODAY, margin="1", level="ad"):
        customer = self.sandbox.google.world.customer(name).id
        ask = self.sandbox.google.truth.metrics if level == "ad" else self.sandbox.google.truth.totals
        return ask(customer, since, until, self.sandbox.clock.now(), Decimal(margin))


def keyed(table):
    """Rows by external id and date; the key must be unique."""
    rows = table.select(["external_id", "date", "campaign_id", *METRICS]).to_pylist()
    found = {(row["external_id"], row["date"]): row for row in rows}
    assert len(found) == len(rows)
    return found
