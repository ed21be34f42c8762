"""Restores a damaged warehouse from its published copy."""

from adpulse.bootstrap import App
from adpulse.model import ConnectionStatus
from adpulse.planner.lookback import lookback_since
from adpulse.services.syncing import request_sync
from storage.warehouse.damage import Holdings, Restored


def restore(app: App, reference: str | None, *, force: bool = False) -> Restored:
    """Replace a workspace's damaged warehouse with the published copy, and sync again what the copy lacks.

    The damaged file is renamed. Syncs under way lose their leases first, so that none of them notes days as read that were lost with
    the file. ``reference`` is the workspace's id or name, None for the only one. ``force`` restores also when the file is sound, and
    when the copy is damaged, too: then everything is read again. This home has the workspace's warehouse from then on.

    Raises:
        Usage: no such workspace, the file is not damaged, or the copy is; nothing was changed.
        WarehouseBusy: another program has the file open.
    """
    workspace = app.workspaces.get_or_only(reference)
    connections = [view.connection for view in app.connections.all(workspace.id)]
    app.homes.adopt(workspace.id)

    def forget(holdings: Holdings | None) -> None:
        app.leases.release(app.runs.leases_of_workspace(workspace.id))
        for connection in connections:
            held_until = holdings.get(connection.id) if holdings else None
            since = lookback_since(app.clock.now(), connection) if held_until else None
            app.partitions.forget(connection.id, since, held_until)
            app.backfills.go_on(connection.id)

    restored = app.warehouse(workspace.id).restore(forget, force=force)
    for connection in connections:
        if connection.status is ConnectionStatus.ACTIVE:
            request_sync(app, connection.id)
    return restored
