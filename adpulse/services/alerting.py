"""Creates and changes alerts."""

from storage.control.alerts import Alert, Alerts
from storage.warehouse import alert_query


def create_alert(alerts: Alerts, workspace_id: str, name: str, query: str) -> Alert:
    """Create a data alert, after its query was checked; the worker runs the query within seconds.

    Raises:
        Usage: the query is not one SELECT, or calls a function that an alert may not call; or the workspace has too many alerts.
        Conflict: the workspace has an alert of this name.
        Unavailable: the query could not be checked.
    """
    alert_query.check(query)
    return alerts.create(workspace_id, name, query)


def change_alert(alerts: Alerts, alert_id: str, *, name: str | None = None, query: str | None = None, enabled: bool | None = None) -> Alert:
    """Change the given fields; a new query is checked first.

    Raises:
        Usage: the query is not one SELECT, or calls a function that an alert may not call.
        NotFound, Conflict: there is no such alert, or the name is taken.
        Unavailable: the query could not be checked.
    """
    if query is not None:
        alert_query.check(query)
    return alerts.change(alert_id, name=name, query=query, enabled=enabled)
