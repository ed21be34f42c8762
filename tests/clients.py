"""A provider's client with everything around it that a test wants to look at.

Both rigs have one vocabulary: names of accounts by what is particular about them, what the platform has done to its accounts, and
``FAULTS``, which make the platform answer with every error that it can.
"""

import traceback
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple

import pyarrow as pa
from connecting import unstored
from pydantic import SecretStr
from sizes import SizesInMemory
from waiting import PATIENCE_SECONDS

from adpulse.cli.sandboxed import living_versions
from adpulse.errors import AccountRefused, AdpulseError, AuthExpired, RateLimited, Scope, TooMuchData, Unavailable
from adpulse.metric_rows import METRIC_SCHEMA
from adpulse.metrics import METRICS, SPLIT_METRICS
from adpulse.metrics_request import MetricsRequest
from adpulse.model import Fetch, FetchKind, Heat
from adpulse.platforms.google import client as google_client
from adpulse.platforms.google.client import GoogleClient
from adpulse.platforms.google.credentials import OauthClient, parse
from adpulse.platforms.meta.client import MetaClient
from adpulse.platforms.meta.session import Endpoint
from adpulse_sandbox.google import oauth
from adpulse_sandbox.google import truth as google_truth
from adpulse_sandbox.google.describe import CHANGE_DELAY
from adpulse_sandbox.meta.world import Change

TODAY = date(2026, 3, 20)


class Fault(NamedTuple):
    """A fault that stays, the error it becomes, and what that says of a pause."""

    rule: dict
    error: type[AdpulseError]
    retry_after: float | None = None
    scope: Scope = "account"


class MetaRig:
    """The product's client over the unmodified SDK; counts the slots it takes and notes how long it would have slept."""

    PLATFORM = "meta"
    SMALL, LARGE, ABROAD, CLOSED = "Harbor Outdoor", "Nordlicht Moebel", "Sakura Tea", "Closed Shop"
    GONE, LISTS_GONE = "DELETED", False
    BREAKS_OFF = Fault({"action": "drop_midway", "page": 2}, Unavailable)
    ENDED_VERSION = "v21.0"
    VERSION_SETTING = "ADPULSE_META_VERSION"
    CHANGE_OVERLAP = timedelta(seconds=60)
    FAULTS = (
        Fault({"action": "throttle", "code": 17, "minutes": 7}, RateLimited, 420),
        Fault({"action": "throttle", "code": 613}, RateLimited, 300),
        Fault({"action": "throttle", "code": 80004}, RateLimited, 300),
        Fault({"action": "throttle", "code": 4, "minutes": 3}, RateLimited, 180, "app"),
        Fault({"action": "expired_token"}, AuthExpired),
        Fault({"action": "permission_lost"}, AccountRefused),
        Fault({"action": "too_much_data"}, TooMuchData),
        Fault({"action": "transient", "code": 1}, Unavailable),
        Fault({"action": "transient", "code": 2}, Unavailable),
        Fault({"action": "server_error"}, Unavailable),
        Fault({"action": "drop"}, Unavailable),
        Fault({"action": "drop_midway"}, Unavailable),
        Fault({"action": "truncated"}, Unavailable),
        Fault({"action": "html"}, Unavailable),
        Fault({"action": "html_success"}, Unavailable),
        Fault({"action": "no_error_body"}, Unavailable),
        Fault({"action": "endless"}, Unavailable),
    )

    def __init__(self, sandbox, token="full", page_size=500, version=None, app=None, largest_page=None, **client):
        self.sandbox = sandbox
        self.slots = 0
        self.slept = []
        known = {each.label: each.value for each in sandbox.world.tokens.values()}
        self.secret = known.get(token, token)
        self.secrets = (self.secret,)
        own = {"app_id": app.id, "app_secret": SecretStr(app.secret)} if app else {}
        own |= {"timeout": PATIENCE_SECONDS, "page_size": page_size, "largest_page": largest_page or page_size}
        version = version or living_versions(sandbox.versions).get(self.VERSION_SETTING, "v26.0")
        endpoint = Endpoint(graph_url=sandbox.graph_url, version=version, **own)
        self.sizes = SizesInMemory()
        self.client = MetaClient(SecretStr(self.secret), endpoint, self.sizes, sleep=self.slept.append, **client)

    @classmethod
    def in_parts(cls, sandbox):
        """One whose answers come in several parts."""
        return cls(sandbox, page_size=40)

    def slot(self):
        self.slots += 1

    def accounts(self):
        """What discovery must tell of each account of the token ``full``."""
        world = self.sandbox.world
        every = [world.accounts[account_id] for account_id in world.token("full").accounts]
        return {(each.id, each.spec.name, each.spec.currency, each.spec.timezone, each.spec.status == 1) for each in every}

    def log(self):
        """Every call that the platform answered."""
        return [call for call in self.sandbox.calls.calls() if call.method != "RPC" and call.kind != "token"]

    def zone(self, name):
        return self.sandbox.world.account(name).zone

    def changed_since(self, name, since):
        """Ids of what has changed, and shows, since an instant."""
        account, now = self.sandbox.world.account(name), self.sandbox.clock.now()
        listed = [each for each in account.by_id.values() if each.created_at <= now and each.effective_status(now) != self.GONE]
        return {each.id for each in listed if since < each.updated_at(now)}

    def change(self, name, **spec):
        """The account itself is another from now on."""
        account = self.sandbox.world.account(name)
        object.__setattr__(account, "spec", replace(account.spec, **spec))
        vars(account).pop("zone", None)
        self.sandbox.truth._day.cache_clear()

    def rename(self, name, to):
        """One of the account's ads is called something else now; its id."""
        account = self.sandbox.world.account(name)
        ad = account.ads[0]
        object.__setattr__(ad, "changes", (*ad.changes, Change(at=self.sandbox.clock.now(), name=to)))
        vars(account).pop("_instants", None)
        return ad.id

    def connection(self, name="Harbor Outdoor", margin="1"):
        account = self.sandbox.world.account(name)
        return unstored(
            id=f"c-{account.spec.number}",
            external_id=account.id,
            name=name,
            currency=account.spec.currency,
            timezone=account.spec.timezone,
            gross_margin=Decimal(margin),
        )

    def ads(self, name="Harbor Outdoor", since=TODAY, until=TODAY, margin="1"):
        return self._metrics(FetchKind.ADS, name, since, until, margin)

    def totals(self, name="Harbor Outdoor", since=TODAY, until=TODAY, margin="1"):
        return self._metrics(FetchKind.CAMPAIGNS, name, since, until, margin)

    def _metrics(self, kind, name, since, until, margin):
        fetch = Fetch(kind=kind, heat=Heat.HOT, cost=1, since=since, until=until)
        return self.client.metrics(self.connection(name, margin), MetricsRequest.of(fetch), self.slot).rows

    def entities(self, name="Harbor Outdoor", changed_since=None):
        kind = FetchKind.ENTITIES_CHANGED if changed_since else FetchKind.ENTITIES_FULL
        fetch = Fetch(kind=kind, heat=Heat.COLD, cost=1, changed_since=changed_since)
        return self.client.entities(self.connection(name), fetch, self.slot).rows

    def truth(self, name="Harbor Outdoor", since=TODAY, until=TODAY, margin="1", level="ad"):
        account = self.sandbox.world.account(name).id
        ask = self.sandbox.truth.metrics if level == "ad" else self.sandbox.truth.totals
        return ask(account, since, until, self.sandbox.clock.now(), Decimal(margin))

    def entities_truth(self, name):
        return self.sandbox.truth.entities(self.sandbox.world.account(name).id, self.sandbox.clock.now())


class GoogleRig:
    """The same for Google: the product's client over the unmodified google-ads SDK."""

    PLATFORM = "google"
    SMALL, LARGE, ABROAD, CLOSED = "Alpenglow Reisen", "Grand Catalogue", "Pacific Trail Outfitters", "Closed Bakery"
    MANAGER, SUB_MANAGER = "Summit Media Group", "Summit Media West"
    GONE, LISTS_GONE = "REMOVED", True
    BREAKS_OFF = Fault({"action": "drop_midway", "kind": "search_stream"}, Unavailable)
    ENDED_VERSION = "v22"
    VERSION_SETTING = "ADPULSE_GOOGLE_VERSION"
    CHANGE_OVERLAP = timedelta(minutes=5)
    FAULTS = (
        Fault({"action": "throttle", "minutes": 7}, RateLimited, 420),
        Fault({"action": "throttle", "scope": "DEVELOPER", "minutes": 2}, RateLimited, 120, "app"),
        Fault({"action": "throttle", "reason": "RESOURCE_EXHAUSTED", "scope": "DEVELOPER", "minutes": 30}, RateLimited, 1800, "app"),
        Fault({"action": "too_much_data"}, TooMuchData),
        Fault({"action": "expired_token"}, AuthExpired),
        Fault({"action": "revoked_token"}, AuthExpired),
        Fault({"action": "permission_lost"}, AccountRefused),
        Fault({"action": "customer_closed"}, AccountRefused),
        Fault({"action": "oversized"}, TooMuchData),
        Fault({"action": "transient"}, Unavailable),
        Fault({"action": "transient", "reason": "INTERNAL_ERROR"}, Unavailable),
        Fault({"action": "transient", "reason": "DEADLINE_EXCEEDED"}, Unavailable),
        Fault({"action": "server_error"}, Unavailable),
        Fault({"action": "drop"}, Unavailable),
        Fault({"action": "drop_midway"}, Unavailable),
    )

    def __init__(self, sandbox, token="full", version=None, timeout=PATIENCE_SECONDS):
        self.sandbox = sandbox
        self.slots = 0
        self.slept = []
        known = sandbox.google.world.credentials
        self.secret = known[token].refresh_token if token in known else token
        self.secrets = (self.secret, oauth.CLIENT_SECRET, "ya29.")
        client = OauthClient(token_url=sandbox.google.token_url, id=oauth.CLIENT_ID, secret=SecretStr(oauth.CLIENT_SECRET))
        version = version or living_versions(sandbox.versions).get(self.VERSION_SETTING, "v26")
        endpoint = google_client.Endpoint(address=sandbox.google.endpoint, version=version, timeout=timeout)
        self.client = GoogleClient(parse(SecretStr(self.secret), client), endpoint, sandbox.clock, sleep=self.slept.append)

    @classmethod
    def in_parts(cls, sandbox):
        """One whose answers come in several parts: where it breaks off, half of the rows have come."""
        return cls(sandbox)

    def slot(self):
        self.slots += 1

    def accounts(self):
        """What discovery must tell of each customer of the credential ``full``."""
        world = self.sandbox.google.world
        direct = [world.customers[customer_id] for customer_id in world.credentials["full"].customers]
        specs = {client.spec for customer in direct for client, _ in world.clients(customer)}
        return {(each.id, each.name, each.currency, each.timezone, each.status == "ENABLED" and not each.manager) for each in specs}

    def log(self):
        """Every call that the platform answered, but for those of the token endpoint."""
        return [call for call in self.sandbox.calls.calls() if call.method == "RPC"]

    def zone(self, name):
        return self.sandbox.google.world.customer(name).zone

    def changed_since(self, name, since):
        """Ids of what has changed since an instant, and shows."""
        customer, now = self.sandbox.google.world.customer(name), self.sandbox.clock.now()
        nodes = [node for kind in ("campaign", "ad_group", "ad_group_ad", "asset_group") for node in customer.of(kind)]
        shown = now - CHANGE_DELAY
        return {str(node.id) for node in nodes if node.created_at <= shown and since < node.changed_at(shown)}

    def change(self, name, **spec):
        """The customer itself is another from now on."""
        customer = self.sandbox.google.world.customer(name)
        self.sandbox.google.world.change(customer.id, replace(customer.spec, **spec))
        self.sandbox.google.truth.forget()

    def rename(self, name, to):
        """One of the customer's ads is called something else now; its id."""
        customer = self.sandbox.google.world.customer(name)
        ad = customer.of("ad_group_ad")[0]
        object.__setattr__(ad, "changes", (*ad.changes, Change(at=self.sandbox.clock.now(), name=to)))
        vars(customer).pop("_instants", None)
        return str(ad.id)

    def campaigns(self, name):
        return self.sandbox.google.world.customer(name).of("campaign")

    def set_budget(self, campaign, amount_micros):
        """Whoever spends this campaign's budget may spend so much a day from now on."""
        budget = campaign.refs["campaign_budget"]
        change = Change(at=self.sandbox.clock.now(), amount_micros=amount_micros)
        object.__setattr__(budget, "changes", (*budget.changes, change))

    def share_budget(self, campaign, other):
        """The other campaign has always spent this campaign's budget."""
        object.__setattr__(other, "refs", {**other.refs, "campaign_budget": campaign.refs["campaign_budget"]})

    def take_back(self, leaf):
        """The platform finds that a leaf never delivered anything: it was removed at once."""
        self.remove(leaf, leaf.created_at)

    def remove(self, leaf, at):
        """A person removes a leaf; what it had delivered by then stays in every report."""
        object.__setattr__(leaf, "changes", (Change(at=at, status="REMOVED"),))
        google_truth._windows.cache_clear()
        self.sandbox.google.truth.forget()

    def connection(self, name="Alpenglow Reisen", margin="1", **facts):
        """A connection as discovery would make it: clients of managers are reached through the manager at the top."""
        world = self.sandbox.google.world
        customer = world.customer(name)
        top = next(each for each in world.customers.values() if each.spec.manager and each.spec.parent is None)
        told = {
            "id": f"g-{customer.spec.number}",
            "provider": "google",
            "external_id": customer.id,
            "name": name,
            "currency": customer.spec.currency,
            "timezone": customer.spec.timezone,
            "gross_margin": Decimal(margin),
            "scope": "google:sandbox",
            "login_customer_id": top.id,
        }
        return unstored(**told | facts)

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
        return self.client.metrics(self.connection(name, margin), MetricsRequest.of(fetch), self.slot).rows

    def entities(self, name="Alpenglow Reisen", changed_since=None):
        kind = FetchKind.ENTITIES_CHANGED if changed_since else FetchKind.ENTITIES_FULL
        fetch = Fetch(kind=kind, heat=Heat.COLD, cost=1, changed_since=changed_since)
        return self.client.entities(self.connection(name), fetch, self.slot).rows

    def truth(self, name="Alpenglow Reisen", since=TODAY, until=TODAY, margin="1", level="ad"):
        customer = self.sandbox.google.world.customer(name).id
        ask = self.sandbox.google.truth.metrics if level == "ad" else self.sandbox.google.truth.totals
        return ask(customer, since, until, self.sandbox.clock.now(), Decimal(margin))

    def entities_truth(self, name):
        return self.sandbox.google.truth.entities(self.sandbox.google.world.customer(name).id, self.sandbox.clock.now())


def keyed(table):
    """Rows by external id and date; the key must be unique."""
    rows = table.select(["external_id", "date", "campaign_id", *METRICS]).to_pylist()
    found = {(row["external_id"], row["date"]): row for row in rows}
    assert len(found) == len(rows)
    return found


def assert_free_of(secrets, error):
    """Nothing that is kept or printed of an error holds a secret."""
    printed = "".join(traceback.format_exception(error))
    while error is not None:
        printed += f"{error}{error!r}{error.args}{vars(error)}"
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)

    assert [secret for secret in secrets if secret in printed] == []
