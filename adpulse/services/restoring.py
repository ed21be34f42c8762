"""Puts a damaged warehouse right."""

from adpulse.bootstrap import App
from adpulse.model import ConnectionStatus
from adpulse.planner.windows import lookback_since
from adpulse.services.syncing import request_sync
from storage.warehouse.damage import Holdings, Restored


def restore(app: App, reference: str | None, *, force: bool = False) -> Restored:
    """Put the published copy in the place of a workspace's damaged warehouse, and sync again what the copy does not hold.

    The damaged file is kept under another name. Syncs under way lose their leases first, so that none of them notes as read
    what went with the file. ``reference`` is the workspace's id or name, None for the only one; ``force`` does it also when the
    file is sound, and when the copy is damaged, too: then everything is read again.

    Raises:
        Usage: no such workspace, the file is not damaged, or the copy is; nothing was changed.
        WarehouseBusy: somebody has the file open.
    """
    workspace = app.workspaces.named(reference)
    connections = [view.connection for view in app.connections.every(workspace.id)]

    def forget(holdings: Holdings | None) -> None:
        app.leases.release(app.runs.held_in(workspace.id))
        for each in connections:
            held_until = holdings.get(each.id) if holdings else None
            since = lookback_since(app.clock.now(), each) if held_until else None
            app.partitions.forget(each.id, since, held_until)

    restored = app.warehouse(workspace.id).restore(forget, force=force)
    for each in connections:
        if each.status is ConnectionStatus.ACTIVE:
            request_sync(app, each.id)
    return restored
