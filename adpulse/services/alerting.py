"""Creates and changes alerts."""

from pathlib import Path

from storage.control.alerts import Alert, Alerts
from storage.warehouse import alert_query


def create_alert(alerts: Alerts, published: Path, workspace_id: str, name: str, query: str) -> Alert:
    """Create a data alert, after its query was checked against the workspace's published copy; the worker runs it within seconds.

    Raises:
        Usage: the query is not one SELECT, names something that does not exist or a function that an alert may not call; or the
            workspace has too many alerts.
        Conflict: the workspace has an alert of this name.
        Unavailable: the query could not be checked.
    """
    alert_query.check(query, published)
    return alerts.create(workspace_id, name, query)


def change_alert(
    alerts: Alerts, published: Path, alert_id: str, *, name: str | None = None, query: str | None = None, enabled: bool | None = None
) -> Alert:
    """Change the given fields; a new query is checked first, as by :func:`create_alert`.

    Raises:
        Usage: the query is not one SELECT, or names something that does not exist or a function that an alert may not call.
        NotFound, Conflict: there is no such alert, or the name is taken.
        Unavailable: the query could not be checked.
    """
    if query is not None:
        alert_query.check(query, published)
    return alerts.change(alert_id, name=name, query=query, enabled=enabled)
