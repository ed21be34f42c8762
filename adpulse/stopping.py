"""Which errors stop a connection, and when one that the platform refused is asked for again. Pure. Step: telemetry."""

from datetime import timedelta

from adpulse.errors import AccessBlocked, AccountRefused, AdpulseError, AuthExpired, LoginRequired, VersionSunset
from adpulse.model import ConnectionStatus

_BY_CODE = {
    "disabled": ConnectionStatus.DISABLED,
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
"""So often a refused connection is asked for hourly, then daily."""


def status_after(error: AdpulseError) -> ConnectionStatus | None:
    """The status that an error gives the connection; None if it is synced as before."""
    for kind, status in _BY_CLASS:
        if isinstance(error, kind):
            return status
    return _BY_CODE.get(error.code or "", ConnectionStatus.NEEDS_PERMISSION) if isinstance(error, AccountRefused) else None


def recheck_pause(rechecks: int) -> timedelta:
    """How long to leave a refused connection alone that was asked for so many times since it was synced last."""
    return timedelta(hours=1) if rechecks < _HOURLY_RECHECKS else timedelta(days=1)
