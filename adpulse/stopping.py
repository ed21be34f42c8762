"""The errors that stop a connection, and when a refused connection is tried again. Pure. Step: telemetry."""

from datetime import timedelta

from adpulse.errors import AccessBlocked, AccountRefused, AdpulseError, AuthExpired, LoginRequired, VersionSunset
from adpulse.model import ConnectionStatus

DISABLED = "disabled"
"""The code of an account that its platform reports as disabled or closed."""

_BY_CODE = {
    DISABLED: ConnectionStatus.DISABLED,
    "CUSTOMER_NOT_ENABLED": ConnectionStatus.DISABLED,
    "currency_changed": ConnectionStatus.CURRENCY_CHANGED,
}
_BY_CLASS: tuple[tuple[type[AdpulseError], ConnectionStatus], ...] = (
    (AuthExpired, ConnectionStatus.NEEDS_REAUTH),
    (VersionSunset, ConnectionStatus.VERSION_SUNSET),
    (LoginRequired, ConnectionStatus.NEEDS_LOGIN),
    (AccessBlocked, ConnectionStatus.BLOCKED),
)
_HOURLY_RECHECKS = 24
"""Hourly tries of a refused connection; later ones are daily."""


def status_after(error: AdpulseError) -> ConnectionStatus | None:
    """The status that an error gives the connection; None if it is synced as before."""
    for kind, status in _BY_CLASS:
        if isinstance(error, kind):
            return status
    return _BY_CODE.get(error.code or "", ConnectionStatus.NEEDS_PERMISSION) if isinstance(error, AccountRefused) else None


def recheck_pause(rechecks: int) -> timedelta:
    """The pause before a refused connection is tried again, by the tries since its last sync."""
    return timedelta(hours=1) if rechecks < _HOURLY_RECHECKS else timedelta(days=1)
