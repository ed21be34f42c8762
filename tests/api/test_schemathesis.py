"""The whole document against a real server with data: whatever is sent, by whomever, each answer is as documented and none is a 5xx."""

import os
import random
from copy import deepcopy
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import schemathesis
from documented import DOCUMENT
from hypothesis import HealthCheck, assume, settings
from installation import Installation
from pydantic import SecretStr
from repeats import LONGER
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from adpulse.role import Role
from adpulse.services import authorising
from adpulse.services.budgeting import WrittenBudget, set_budget

EXAMPLES = os.environ.get("FUZZING_EXAMPLES")
"""How many more than usual of each route, and others each time: for the slow tests."""

FEW = 4 if LONGER == 1 else 8 * LONGER
"""How many of each route, beside those that cover its parameters."""

schema = schemathesis.openapi.from_dict(deepcopy(DOCUMENT)).exclude(path="/readyz")  # a 503 is right: Prefect is not running
known: dict[str, str] = {}
dice = random.Random(7)


@pytest.fixture(scope="module")
def keys(sandbox, tmp_path_factory):
    """An installation with a synced connection, dead letters and keys; the texts of two keys."""
    made = Installation(tmp_path_factory.mktemp("fuzzed") / "home", sandbox)
    app, workspace = made.app, made.workspace
    connection = made.connect()
    made.sync(connection)
    app.labels.change(connection.id, lambda _: ["eu"])
    run = app.runs.history(connection.id)[0]
    viewer = app.keys.create("viewer", Role.VIEWER, workspace.id)
    known.update(workspace_id=workspace.id, connection_id=connection.id, job_id=run.id, run_id=run.id, view="daily")
    known["key_id"] = app.keys.create("spare", Role.VIEWER, workspace.id)[0].id
    known["webhook_id"] = app.webhooks.create(workspace.id, "hook", SecretStr("https://1.1.1.1/hooks"))[0].id
    known["alert_id"] = app.alerts.create(workspace.id, "alert", "SELECT 1 AS one").id
    known["budget_id"] = set_budget(app, workspace.id, WrittenBudget(connection=connection.id, period="daily", amount="50")).id
    known["grant_id"] = authorising.grant_of(app, workspace.id, connection.provider, made.secret(connection.provider)).id
    yield SimpleNamespace(viewer=viewer[1].get_secret_value(), operator=app.keys.create("ops", Role.OPERATOR, None)[1].get_secret_value())
    made.close()


def is_sent_as_made(case, address):
    """Of a parameter without a value nothing is sent, and of a list its texts (no parameter takes one): neither can be refused."""
    if any(isinstance(value, list) for value in (case.query or {}).values()):
        return False
    prepared = requests.Request("GET", address, params=case.query).prepare()
    return set(case.query or {}) <= set(parse_qs(urlsplit(prepared.url).query, keep_blank_values=True))


@pytest.mark.parametrize("role", [pytest.param("viewer", marks=pytest.mark.slow), "operator"])  # what a role may: test_access.py
@schema.parametrize()
@settings(max_examples=int(EXAMPLES or FEW), derandomize=not EXAMPLES, suppress_health_check=list(HealthCheck))
def test_every_answer_is_as_documented(case, address, keys, role):
    if dice.random() < 0.5 and case.meta.generation.mode is GenerationMode.POSITIVE:  # otherwise every answer were a 404
        case.path_parameters = {name: known[name] for name in case.path_parameters or {}}
    assume(is_sent_as_made(case, address))
    # What fits the schema may still be refused for what is stored: an order of an unknown cursor, a taken name.
    case.call_and_validate(
        base_url=address, headers={"Authorization": f"Bearer {getattr(keys, role)}"}, excluded_checks=[positive_data_acceptance]
    )
