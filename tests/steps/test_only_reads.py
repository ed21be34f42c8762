"""adpulse only reads: no call of it changes an account or spends anybody's money."""

import re
from pathlib import Path

from installation import shrink

FOLDER = Path(__file__).parents[2] / "adpulse" / "platforms"
READING = {("RPC", "list_accessible_customers"), ("RPC", "search_stream"), ("POST", "token")}
"""The calls that are no GET: Google's two, and what exchanges a refresh token."""


def test_syncs_of_both_platforms_call_nothing_that_writes(installation, sandbox):
    shrink(sandbox)
    for name in ("Corner Store 1", "Alpenglow Reisen"):
        installation.sync(installation.connect(name))
    calls = sandbox.calls.calls()

    assert {call.kind for call in calls} > {"campaigns", "insights", "search_stream"}
    assert {(call.method, call.kind) for call in calls if call.method != "GET"} <= READING


def test_what_is_posted_to_meta_begins_a_report_and_google_is_only_searched():
    sources = {path.relative_to(FOLDER).as_posix(): path.read_text() for path in FOLDER.rglob("*.py")}
    posts = {name: re.findall(r'"POST", path=f"([^"]+)"', text) for name, text in sources.items()}
    services = {path for text in sources.values() for path in re.findall(r"services\.(\w+/\w+)", text)}

    assert {name: paths for name, paths in posts.items() if paths} == {"meta/requests.py": ["act_{connection.external_id}/{EDGE}"]}
    assert not any(re.search(r'_(?:call|ask|send)\("POST"', text) for text in sources.values() if "call_token_endpoint" not in text)
    assert 'EDGE = "insights"' in sources["meta/insights.py"] + sources["meta/reports.py"] + sources["meta/client.py"]
    assert services == {"GoogleAdsService/SearchStream"}
    assert [
        name
        for name, text in sources.items()
        if re.search(r"mutate|remote_delete|remote_update|api_create|api_update|api_delete", text, re.IGNORECASE)
    ] == []


def test_the_consent_asks_meta_for_nothing_but_reading():
    assert re.findall(r'_SCOPE = "(.*)"', (FOLDER / "meta" / "consent.py").read_text()) == ["ads_read"]
