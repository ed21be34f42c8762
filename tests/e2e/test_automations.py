"""What ``adpulse deploy`` installs for operators, read back from a real Prefect server."""

import asyncio
import os

import pytest
from prefect.client.orchestration import get_client
from prefect.events.actions import CancelFlowRun
from prefect.events.schemas.automations import AutomationCore
from running import forget_prefect
from waiting import until

from adpulse import orchestrator
from deployments import automations
from deployments.deploy import deploy
from deployments.server import PrefectServer


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    before = dict(os.environ)
    with PrefectServer(tmp_path_factory.mktemp("server"), progress=lambda _: None) as started:
        os.environ.update(started.environment())
        forget_prefect()
        asyncio.run(deploy("adpulse"))
        yield started
    os.environ.clear()
    os.environ.update(before)


def installed():
    with get_client(sync_client=True) as client:
        return {each.name: each for each in client.read_automations()}


def happened(event):
    with get_client(sync_client=True) as client:
        answer = client._client.post("/events/filter", json={"filter": {"event": {"name": [event]}}, "limit": 50})
        return answer.raise_for_status().json()["events"]


def test_the_automations_are_installed_and_again_is_harmless(server):  # noqa: ARG001 - it is asked by its environment
    asyncio.run(deploy("adpulse"))
    found = installed()

    assert {name: (each.trigger, each.actions, each.enabled) for name, each in found.items()} == {
        each.name: (each.trigger, each.actions, True) for each in automations.AUTOMATIONS
    }
    with get_client(sync_client=True) as client:
        assert len(client.read_automations()) == 3


def test_what_an_operator_made_of_one_stays(server):  # noqa: ARG001 - it is asked by its environment
    name = automations.AUTOMATIONS[1].name
    mine, actions = installed()[name], [CancelFlowRun(type="cancel-flow-run")]  # what is a default is not sent by the client
    changed = AutomationCore(name=name, description="", trigger=mine.trigger, actions=actions, enabled=False)
    with get_client(sync_client=True) as client:
        client.update_automation(mine.id, changed)

    asyncio.run(deploy("adpulse"))

    kept = installed()[name]
    assert (kept.actions, kept.enabled, kept.description) == (actions, False, automations.AUTOMATIONS[1].description)


def test_stale_connections_reach_the_automation(server):  # noqa: ARG001 - it is asked by its environment
    orchestrator.emit(orchestrator.STALE, {"connections": 2, "among_them": ["Harbor", "Acme"]})

    wanted = str(installed()[automations.AUTOMATIONS[0].name].id)

    def triggered():
        return any(wanted in str(each) for each in happened("prefect.automation.triggered"))

    until(triggered, lambda: [each["event"] for each in happened(orchestrator.STALE)], pause=0.5)
    assert len(happened(orchestrator.STALE)) == 1
