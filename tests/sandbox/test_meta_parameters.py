"""Every parameter that the tables of Meta's SDK list changes the answer, is refused, or is documented as without effect."""

import json
from pathlib import Path

import pytest

from adpulse_sandbox.meta.businesses import AGENCY
from adpulse_sandbox.meta.names import names_of
from adpulse_sandbox.meta.parameters import WITHOUT_EFFECT
from adpulse_sandbox.meta.report_request import REQUEST

PAGE = Path(__file__).parents[2] / "docs" / "sandbox.md"
OF_REPORT = {"level": "ad", "fields": "ad_id,spend,impressions,reach,actions", "limit": "500"}
EQUAL_TO_DEFAULT = {
    "level": {"ad"},  # the level of the request that is compared with
    "date_preset": {"last_30d"},
    "action_breakdowns": {"action_type"},
    "summary_action_breakdowns": {"action_type"},
    # Windows in which the world has no actions, and those that ended.
    "action_attribution_windows": {"dda", "default", "skan_click", "skan_view", "7d_view", "28d_view"},
    "default_summary": {"false"},
    "time_increment": {"all_days"},
    "is_completed": {"false"},
    "effective_status": {"ACTIVE"},  # every object that the test lists is
    "status": set(),
}
"""Values that are accepted and leave the answer as it is, because they are what is answered anyway."""

VALUES = {
    "cpas_only": ["true"],
    "export_columns": ['["spend"]'],
    "export_format": ["csv"],
    "export_name": ["report"],
    "fields": ["ad_id"],
    "filtering": ['[{"field":"ad.id","operator":"IN","value":["1"]}]'],
    "limit": ["1"],
    "product_id_limit": ["5"],
    "sort": ["spend_descending", "spend_ascending"],
    "summary": ["spend"],
    "time_increment": ["1", "7", "monthly", "all_days"],
    "time_range": ['{"since":"2026-03-18","until":"2026-03-19"}'],
    "time_ranges": ['[{"since":"2026-03-18","until":"2026-03-19"}]'],
    "updated_since": ["1773846000"],
    "since": ["1773846000"],
    "until": ["1740000000"],
    "oid": ["1"],
    "uid": ["1"],
    "after": ["none"],
}
OF_EDGE = {"limit": "500"}
BASE = {"activities": {**OF_EDGE, "since": "1700000000", "fields": "event_time,event_type,object_id"}}
OF_TYPE = {"bool": ["true", "false"], "int": ["3"], "unsigned int": ["3"], "map": ['{"a":"b"}'], "datetime": ["2026-03-18"]}


def values_of(name, parameter):
    values = VALUES.get(name) or parameter.values or OF_TYPE.get(parameter.kind) or ["word"]
    return [
        json.dumps([value]) if parameter.kind.startswith("list<") and parameter.values and name != "sort" else value for value in values
    ]


def shown(answer):
    """An answer without its cursors, which carry the request's parameters."""
    return {name: value for name, value in answer.json().items() if name != "paging"}


def ignored(ask, path, base, parameters, request, token="varied"):
    """The values that are accepted and change nothing, by parameter, but for those that are documented so."""
    whole = shown(ask(path, token=token, **base))
    found = {}
    for name, parameter in parameters.items():
        if name in WITHOUT_EFFECT[request]:
            continue
        for value in values_of(name, parameter):
            word = json.loads(value)[0] if value.startswith('["') else value
            answer = ask(path, token=token, **{**base, name: value})
            if answer.status_code == 200 and shown(answer) == whole and word not in EQUAL_TO_DEFAULT.get(name, ()):
                found.setdefault(name, []).append(word)
    return found


@pytest.fixture(scope="module")
def lantern(standing):
    return standing.world.account("Lantern Books")


def test_no_parameter_of_a_report_is_accepted_and_ignored(ask, lantern):
    parameters = names_of("v25.0").nodes["AdAccount"].edges[REQUEST]

    assert len(parameters) > 20
    assert ignored(ask, f"act_{lantern.id}/insights", OF_REPORT, parameters, REQUEST) == {}


@pytest.mark.slow  # a node's report is read by the request that an account's is
@pytest.mark.parametrize("kind", ["Campaign", "AdSet", "Ad"])
def test_no_parameter_of_a_nodes_report_is_accepted_and_ignored(ask, lantern, kind):
    path = {"Campaign": lantern.campaigns[0].id, "AdSet": lantern.ad_sets[1].id, "Ad": lantern.ads[2].id}[kind]  # with engaged views
    by_day = {**OF_REPORT, "time_increment": "1"}  # a node may have a single ad, and no order

    assert ignored(ask, f"{path}/insights", by_day, names_of("v25.0").nodes[kind].edges[REQUEST], REQUEST) == {"time_increment": ["1"]}


@pytest.mark.parametrize("version", ["v26.0", "v27.0"])
def test_the_parameters_that_a_newer_version_adds_are_neither_ignored(ask_newest, newest, version):
    account, older = newest.world.account("Lantern Books"), names_of("v25.0")
    added = {
        kind: {name: parameter for name, parameter in node.edges[REQUEST].items() if name not in older.nodes[kind].edges[REQUEST]}
        for kind, node in names_of(version).nodes.items()
        if REQUEST in node.edges
    }

    assert added["AdAccount"]
    assert ignored(ask_newest, f"act_{account.id}/insights", {**OF_REPORT, "version": version}, added["AdAccount"], REQUEST) == {}


@pytest.mark.parametrize("kind", ["AdAccount", "Campaign", "AdSet", "Ad"])
def test_no_parameter_of_an_edge_is_accepted_and_ignored(ask, lantern, kind):
    path = {
        "AdAccount": f"act_{lantern.id}", "Campaign": lantern.campaigns[0].id, "AdSet": lantern.ad_sets[0].id, "Ad": lantern.ads[0].id,
    }[kind]  # fmt: skip
    edges = {name: edge for name, edge in names_of("v25.0").nodes[kind].edges.items() if edge is not None and name != REQUEST}
    found = {name: ignored(ask, f"{path}/{name}", BASE.get(name, OF_EDGE), edge, "edges") for name, edge in edges.items()}

    assert {name: values for name, values in found.items() if values} == {}


@pytest.mark.parametrize("kind", ["Campaign", "AdSet", "Ad", "AdCreative"])
def test_no_parameter_of_a_node_is_accepted_and_ignored(ask, lantern, kind):
    ad = lantern.ads[0]
    path = {"Campaign": lantern.campaigns[0].id, "AdSet": lantern.ad_sets[0].id, "Ad": ad.id, "AdCreative": str(int(ad.id) + 5)}[kind]

    assert ignored(ask, path, {"fields": "id,name"}, names_of("v25.0").nodes[kind].parameters, "nodes") == {}


def test_no_parameter_of_the_users_permissions_is_accepted_and_ignored(ask):
    parameters = names_of("v25.0").nodes["User"].edges["permissions"]
    found = ignored(ask, "me/permissions", {}, parameters, "edges", token="full")

    assert found == {"status": ["granted"]}


@pytest.mark.parametrize("edge", ["owned_ad_accounts", "client_ad_accounts", "business_users"])
def test_no_parameter_of_a_business_is_accepted_and_ignored(ask, edge):
    parameters = names_of("v25.0").nodes["Business"].edges[edge]

    assert ignored(ask, f"{AGENCY.id}/{edge}", {}, parameters, "edges", token="agency") == {}


EVERY_KIND = (
    "{account}/insights", "{account}/ads", "{account}/adcreatives", "{account}/activities", "{account}/customconversions", "{ad}",
    "{account}", "me", "me/adaccounts", "me/businesses", f"{AGENCY.id}/owned_ad_accounts",
)  # fmt: skip


@pytest.mark.parametrize("path", EVERY_KIND)
def test_a_parameter_that_nobody_knows_is_refused(ask, lantern, path):
    token = "agency" if "businesses" in path or path.startswith(AGENCY.id) else "varied"
    answer = ask(path.format(account=f"act_{lantern.id}", ad=lantern.ads[0].id), token=token, banana="1")

    assert answer.json()["error"]["message"].startswith("adpulse sandbox does not serve the parameter banana of ")


def test_a_parameter_without_effect_is_on_the_page():
    page = PAGE.read_text()
    named = {name for parameters in WITHOUT_EFFECT.values() for name in parameters}

    assert {name for name in named if f"`{name}`" not in page} == set()
