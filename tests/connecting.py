"""A connection that stands in no database."""

from decimal import Decimal

from adpulse.frequency import Frequency
from adpulse.model import Connection, ConnectionStatus


def unstored(**facts):
    """A connection with these facts; whatever is not said is of a Meta account in dollars and UTC, synced only when asked."""
    plain = {
        "id": "c",
        "workspace_id": "w",
        "provider": "meta",
        "external_id": "1",
        "name": "Acme",
        "currency": "USD",
        "timezone": "UTC",
        "frequency": Frequency.MANUAL,
        "status": ConnectionStatus.ACTIVE,
        "gross_margin": Decimal(1),
        "credential_id": "k",
        "scope": "meta",
        "ad_count": None,
    }
    return Connection(**plain | facts)
