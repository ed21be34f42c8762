"""What the control plane says of workspaces, for published copies; on SQLite and PostgreSQL."""

from dataclasses import replace

from adpulse.budgets import Budget, Period
from adpulse.frequency import Frequency
from adpulse.model import ConnectionStatus
from adpulse.workspace_description import ConnectionDescription, WorkspaceDescription
from storage.control.budgets import Budgets
from storage.control.descriptions import Descriptions

OF_LABEL = Budget(
    id="", workspace_id="", connection_id=None, label="eu", campaign_id="", currency="USD", period=Period.DAILY, amount=1_000_000
)


def test_each_workspace_has_the_descriptions_of_its_own_connections(plane):
    acme, first = plane.workspace, plane.connect("1")
    plane.workspace = plane.workspaces.create("Borealis")
    other = plane.connect("2")
    plane.labels.change(first.id, lambda _: ["retail", "eu"])
    plane.connections.set_frequency(first.id, "daily")
    plane.connections.set_status(first.id, ConnectionStatus.PAUSED, "Paused.")
    (budget,) = plane.budgets.put(acme.id, [OF_LABEL])
    (another,) = plane.budgets.put(other.workspace_id, [replace(OF_LABEL, label="", connection_id=other.id)])
    descriptions = Descriptions(plane.engine, Budgets(plane.engine))
    expected = ConnectionDescription(
        connection_id=first.id, name=first.name, frequency=Frequency.DAILY, labels=("eu", "retail"), status=ConnectionStatus.PAUSED
    )

    assert descriptions.of(acme.id) == WorkspaceDescription(connections=(expected,), budgets=(budget,))
    assert descriptions.all() == {name: descriptions.of(name) for name in (acme.id, plane.workspace.id)}
    assert descriptions.of(plane.workspace.id).budgets == (another,)
    assert [each.connection_id for each in descriptions.of(plane.workspace.id).connections] == [other.id]


def test_a_workspace_without_connections_has_nothing_to_say(plane):
    assert Descriptions(plane.engine, Budgets(plane.engine)).of(plane.workspace.id) == WorkspaceDescription()
