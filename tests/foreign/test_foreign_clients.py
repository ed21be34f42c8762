"""Clients that nobody here wrote read from the sandbox, unmodified and under the platforms' own host names.

What they read equals the truth and what adpulse stored of the same accounts, to the micro.
What the sandbox refuses is listed with its reason in ``refused.toml``, and nothing else.
"""

from dataclasses import asdict

import pytest
from foreign import airbyte, environments, fetchers, sdks, singer
from foreign.rig import ACCOUNTS, Rig
from foreign.stored import synced
from foreign.verdict import Listed, objections

from adpulse_sandbox import Sandbox
from adpulse_sandbox.clock import this_minute
from adpulse_sandbox.proxy import Proxy
from docs import write_foreign_clients as page

CLIENTS = {
    "tap-facebook": singer.tap_facebook,
    "meltano-tap-facebook": singer.meltano_tap_facebook,
    "airbyte-source-facebook-marketing": airbyte.facebook_marketing,
    "facebook-nodejs-business-sdk": fetchers.meta_node,
    "airbyte-source-google-ads": airbyte.google_ads,
    "google-ads-api-report-fetcher": fetchers.gaarf,
    "google-ads-api": fetchers.google_node,
    "facebook-business": sdks.facebook_business,
    "google-ads": sdks.google_ads,
    "ingestr": sdks.dlt_sources,
}


@pytest.fixture(scope="module")
def sandbox():
    """At the machine's minute, as most of these clients take today from the machine."""
    with Sandbox.start(now=this_minute()) as running:
        yield running


@pytest.fixture(scope="module")
def stored(sandbox, tmp_path_factory):
    """Before the clients: a sync may move the sandbox's time."""
    return synced(sandbox, tmp_path_factory.mktemp("adpulse"), ACCOUNTS)


@pytest.mark.foreign
@pytest.mark.timeout(1_800)  # a client may wait for reports, and its first run installs it
@pytest.mark.parametrize("client", CLIENTS)
def test_a_foreign_client_reads_the_truth_and_what_adpulse_stored(client, sandbox, stored, tmp_path):
    sandbox.gaps.clear()
    with Proxy(sandbox) as proxy:
        outcomes = CLIENTS[client](Rig(sandbox=sandbox, stored=stored, proxy=proxy, folder=tmp_path))
    gaps = sorted({gap["feature"] for gap in sandbox.gaps.as_json()})

    page.note(client, environments.version(client), [asdict(outcome) for outcome in outcomes], hosts=sorted(proxy.refused), gaps=gaps)
    assert objections(outcomes, gaps, Listed(streams=page.reasons(client), gaps=page.gaps())) == []
