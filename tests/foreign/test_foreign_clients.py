"""Clients that nobody here wrote read from the sandbox, unmodified and under the platforms' own host names.

What they read equals the truth to the micro; what the sandbox refuses is listed with its reason in ``refused.toml``, and nothing else.
"""

import fnmatch
from dataclasses import asdict

import pytest
from foreign import airbyte, environments, fetchers, singer
from foreign.rig import Rig

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
}


@pytest.fixture(scope="module")
def sandbox():
    """At the machine's minute, as most of these clients take today from the machine."""
    with Sandbox.start(now=this_minute()) as running:
        yield running


@pytest.mark.foreign
@pytest.mark.timeout(1_800)  # a client may wait for reports, and its first run installs it
@pytest.mark.parametrize("client", CLIENTS)
def test_a_foreign_client_reads_the_truth(client, sandbox, tmp_path):
    sandbox.gaps.clear()
    with Proxy(sandbox) as proxy:
        outcomes = CLIENTS[client](Rig(sandbox=sandbox, proxy=proxy, folder=tmp_path))
    gaps = sorted({gap["feature"] for gap in sandbox.gaps.as_json()})

    page.note(client, environments.version(client), [asdict(outcome) for outcome in outcomes], hosts=sorted(proxy.refused), gaps=gaps)
    assert [outcome for outcome in outcomes if outcome.result == "different"] == []
    refused = [outcome.stream for outcome in outcomes if outcome.result == "refused"]
    assert [stream for stream in refused if not page.reason(client, stream)] == [], "refused, and not listed in refused.toml"
    answers = [outcome.says for outcome in outcomes if outcome.result == "refused"]
    assert [gap for gap in gaps if not any(gap in answer for answer in answers)] == [], "not served, and no refused stream says so"
    needless = [pattern for pattern in page.reasons(client) if not fnmatch.filter(refused, pattern)]
    assert needless == [], "listed in refused.toml, and not refused"
