"""The names of Meta's API: derived from the SDK, known without a value, and refused when they are nobody's."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from facebook_business.adobjects.adsinsights import AdsInsights

from adpulse_sandbox.basis import HEADER
from adpulse_sandbox.meta.listing import EDGES
from adpulse_sandbox.meta.names import names_of

ROOT = Path(__file__).parents[2]
TABLES = ROOT / "adpulse_sandbox" / "meta" / "tables"
DAY = '{"since":"2026-03-19","until":"2026-03-19"}'
OF_ME = ("adaccounts", "assigned_ad_accounts", "permissions", "businesses", "business_users")
OF_BUSINESS = ("owned_ad_accounts", "client_ad_accounts", "business_users")


@pytest.fixture(scope="module")
def nodes(standing):
    """An id of each type of node, and the token that reaches it."""
    harbor = standing.world.account("Harbor Outdoor")
    return {
        "AdAccount": f"act_{harbor.id}",
        "Campaign": harbor.campaigns[0].id,
        "AdSet": harbor.ad_sets[0].id,
        "Ad": harbor.ads[0].id,
        "AdCreative": str(int(harbor.ads[0].id) + 5),
        "User": "me",
        "Business": "1270000000000301",
    }


def test_the_tables_are_those_of_the_installed_sdk():
    program = "import json, write_meta_names; print(json.dumps(write_meta_names.names()))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT / "docs", capture_output=True, text=True, check=True)

    assert json.loads(done.stdout) == json.loads((TABLES / "v26.0.json").read_text()), "run make meta-names"


def test_a_version_without_tables_has_the_names_of_the_version_before():
    assert (names_of("v25.0").exact, names_of("v26.0").exact, names_of("v27.0").exact) == (True, True, False)
    assert names_of("v27.0").nodes == names_of("v26.0").nodes
    assert names_of("v25.0").nodes["AdsInsights"].fields != names_of("v26.0").nodes["AdsInsights"].fields


@pytest.mark.parametrize("kind", ["AdAccount", "Campaign", "AdSet", "Ad", "AdCreative", "Business", "User"])
def test_every_field_of_a_node_is_known_and_absent_without_a_value(ask, nodes, kind):
    fields = sorted(names_of("v25.0").nodes[kind].fields)
    answer = ask(nodes[kind], token="agency", fields=",".join(fields))

    assert answer.status_code == 200, answer.text
    assert set(answer.json()) <= set(fields)
    assert None not in answer.json().values()


def test_every_field_of_a_report_is_known(ask, nodes):
    names = names_of("v25.0")
    fields = [name for name in sorted(names.nodes["AdsInsights"].fields) if names.has_field("AdsInsights", name)]
    (row, *_) = ask(f"{nodes['AdAccount']}/insights", level="ad", fields=",".join(fields), time_range=DAY).json()["data"]

    assert len(fields) > 210
    assert {"spend", "reach", "quality_ranking", "video_p50_watched_actions"} <= set(row) <= set(fields)
    assert "social_spend" not in row


def test_fields_that_a_version_ended_are_refused_as_meta_worded_it(ask, nodes):
    answer = ask(f"{nodes['AdAccount']}/insights", fields="spend,age_targeting,labels")

    assert answer.json()["error"]["message"] == "(#100) age_targeting, labels are not valid for fields param after V19.0"


def test_unknown_fields_of_a_report_are_all_named(ask, nodes):
    answer = ask(f"{nodes['AdAccount']}/insights", fields="spend,banana,apple")

    assert answer.json()["error"]["message"].startswith("(#100) banana, apple are not valid for fields param. please check")


def test_a_field_of_the_newer_version_is_unknown_to_the_older(ask_newest, nodes):
    newer = names_of("v26.0").nodes["AdsInsights"].fields - names_of("v25.0").nodes["AdsInsights"].fields
    field = min(newer)
    statuses = [ask_newest(f"{nodes['AdAccount']}/insights", version=version, fields=field).status_code for version in ("v25.0", "v26.0")]

    assert statuses == [400, 200]


def test_the_refusal_of_a_version_without_tables_is_inferred(ask_newest, nodes):
    answers = [ask_newest(nodes["Ad"], version=version, fields="banana") for version in ("v26.0", "v27.0")]

    assert [answer.headers[HEADER] for answer in answers] == ["documented", "inferred"]


@pytest.mark.parametrize("kind", ["AdAccount", "Campaign", "AdSet", "Ad", "AdCreative", "Business", "User"])
def test_an_edge_that_is_known_is_served_or_refused_as_not_served(ask, nodes, kind):
    served = {"User": OF_ME, "Business": OF_BUSINESS, "AdCreative": ()}.get(kind, (*EDGES, "insights"))
    wrong = {}
    for edge in names_of("v25.0").nodes[kind].edges:
        answer = ask(f"{nodes[kind]}/{edge}", token="agency")
        message = answer.json().get("error", {}).get("message", "served")
        expected = "served" if edge in served else "adpulse sandbox does not serve"
        if not message.startswith(expected):
            wrong[edge] = message

    assert wrong == {}


def test_an_edge_inside_fields_is_refused_as_not_served(ask, nodes):
    message = ask(f"{nodes['AdAccount']}/campaigns", fields="id,ads{id}").json()["error"]["message"]

    assert message == "adpulse sandbox does not serve the edge ads inside the fields of Campaign"


def test_modifiers_of_fields_are_refused_as_not_served(ask, nodes):
    message = ask(nodes["Ad"], fields="id,insights.date_preset(last_7d){spend}").json()["error"]["message"]

    assert message == "adpulse sandbox does not serve modifiers of fields, such as .limit()"


@pytest.mark.parametrize("written", ["spend,reach", '["spend","reach"]', "['spend', 'reach']", " spend , reach "])
def test_fields_are_a_list_in_every_form_that_clients_write(ask, nodes, written):
    (row,) = ask(f"{nodes['AdAccount']}/insights", fields=written, time_range=DAY).json()["data"]

    assert set(row) == {"spend", "reach", "date_start", "date_stop"}


@pytest.mark.parametrize("written", ["[]", ""])
def test_an_empty_list_of_fields_is_none(ask, nodes, written):
    (row,) = ask(f"{nodes['AdAccount']}/insights", fields=written, time_range=DAY).json()["data"]

    assert set(row) == {"account_id", "impressions", "spend", "date_start", "date_stop"}


def test_the_sdk_asks_for_no_field_that_the_tables_lack():
    fields = {value for name, value in vars(AdsInsights.Field).items() if not name.startswith("_")}

    assert fields == names_of("v26.0").nodes["AdsInsights"].fields
