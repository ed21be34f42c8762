"""What the control plane says of connections, for published copies; on SQLite and PostgreSQL."""

from adpulse.connection_description import ConnectionDescription
from adpulse.frequency import Frequency
from adpulse.model import ConnectionStatus
from storage.control.descriptions import Descriptions


def test_each_workspace_has_the_descriptions_of_its_own_connections(plane):
    acme, first = plane.workspace, plane.connect("1")
    plane.workspace = plane.workspaces.create("Borealis")
    other = plane.connect("2")
    plane.labels.change(first.id, lambda _: ["retail", "eu"])
    plane.connections.set_frequency(first.id, "daily")
    plane.connections.set_status(first.id, ConnectionStatus.PAUSED, "Paused.")
    descriptions = Descriptions(plane.engine)
    expected = ConnectionDescription(
        connection_id=first.id, name=first.name, frequency=Frequency.DAILY, labels=("eu", "retail"), status=ConnectionStatus.PAUSED
    )

    assert descriptions.of(acme.id) == (expected,)
    assert {name: [each.connection_id for each in found] for name, found in descriptions.all().items()} == {
        acme.id: [first.id],
        plane.workspace.id: [other.id],
    }
