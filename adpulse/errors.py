"""Every error adpulse raises on purpose; the class alone decides what happens next.

::

    AdpulseError
    ├── Transient               try again: backoff, then the connection's own retry
    │   ├── RateLimited         wait (``retry_after`` seconds), never an immediate retry
    │   └── Unavailable         the platform or the network failed
    ├── Permanent               trying again cannot help
    │   ├── AuthExpired         the credential must be renewed by a person
    │   ├── AccountRefused      the credential is valid, the account is not ours to read
    │   │   ├── LoginRequired   its user must log in at the platform first; the same credential works again then
    │   │   └── AccessBlocked   the platform has blocked the user or the app
    │   ├── BadRequest          the platform refuses the request: our bug, or a range out of reach
    │   │   ├── TooMuchData     the answer is too big: ask for less, never the same again
    │   │   │   └── TooManyCalls  it has more pages than its read may take calls: it is made in parts
    │   │   ├── FieldRefused    one object's field cannot be read, and with it no page that has both
    │   │   ├── MetricRefused   reports are answered without one field alone: they are requested without it
    │   │   ├── Unreadable      an answer has a row whose entity or day cannot be told: nothing of the read can be stored
    │   │   │   └── SeveralDays a row is of several days: ask for each day by itself
    │   │   ├── TooOld          days that the platform does not report any more
    │   │   ├── StatusRefused   the platform does not take the statuses that a report was to be filtered by
    │   │   └── ObjectGone      what was asked for by its id is there no more
    │   └── VersionSunset       the pinned API version has ended
    ├── LeaseLost               another worker owns the connection now; our result is dropped
    ├── WarehouseBusy           the workspace's warehouse file stayed locked too long
    │   └── WarehouseNewer      a newer adpulse wrote the file: one of that version goes on with it
    ├── WarehouseDamaged        the workspace's warehouse file cannot be read: a person must restore it
    ├── WarehouseElsewhere      the workspace's warehouse file is in another home folder
    ├── ControlPlaneBusy        the control plane's database stayed locked too long
    ├── ControlPlaneDamaged     the control plane's file cannot be read: a person must restore a backup
    ├── AlreadyRunning          the home folder has one of these processes, and it lives
    ├── DiskFull                a file could not be written for lack of space; tried again later
    └── Usage                   the person asked for something impossible (exit 2, HTTP 4xx)
        ├── UnknownConnection
        ├── NotFound            no webhook, alert or grant has that id or name
        ├── FrequencyRefused
        ├── KeysLost            secrets are stored, and the file with their keys is missing
        └── Conflict            it exists already

Messages say what happened, to which account, and what to do. They hold no secret: what a platform says is part of some, and it may
repeat what it was sent, so every message is redacted when the error is made.
Every class survives a pickle round trip: all state is in ``args`` or in ``__dict__``.
"""

from typing import Literal

from adpulse.redact import excerpt, redact

Scope = Literal["account", "entities", "app"]
"""What must pause.

The account; of it only the reads of campaigns and ads, while its numbers can be read; or all that the platform counts together (the Meta
app, the Google Cloud project).
"""


_LONGEST_LINE = 300


def first_line(error: Exception) -> str:
    """The first line of what an error says, not too long: of a database's errors the rest is SQL and its values."""
    return excerpt(str(error).partition("\n")[0], _LONGEST_LINE)


class AdpulseError(Exception):
    """Root of the tree. ``code`` is the platform's own code where there is one (``"17/2446079"``)."""

    during: str | None = None
    """What was being read when it happened (``ads-2026-11-01-2026-11-07``); for diagnosis."""

    def __init__(self, message: str, code: str | None = None) -> None:
        message = redact(message).replace("\0", "\ufffd")  # which PostgreSQL does not store
        super().__init__(message, code)
        self.message = message
        self.code = code

    def __str__(self) -> str:
        """The sentence for the user."""
        return self.message


class Transient(AdpulseError):
    """Trying again may help."""


class RateLimited(Transient):
    """A budget is spent: ours (the sliding window, ``code`` is None) or the platform's.

    ``retry_after`` is in seconds of business time, None when the platform gives no hint; ``scope`` says what must pause.
    """

    def __init__(
        self,
        message: str,
        code: str | None = None,
        retry_after: float | None = None,
        scope: Scope = "account",
    ) -> None:
        super().__init__(message, code)
        self.args = (self.message, code, retry_after, scope)
        self.retry_after = retry_after
        self.scope: Scope = scope


class Unavailable(Transient):
    """The platform answered nonsense or nothing, and kept doing so."""


class Permanent(AdpulseError):
    """Trying again cannot help."""


class AuthExpired(Permanent):
    """The credential is expired, revoked or was never valid: reconnect."""


class AccountRefused(Permanent):
    """The credential is valid but may not read this account, or the account is disabled."""


class LoginRequired(AccountRefused):
    """The credential's user must log in at the platform and do what it asks; the same credential works again then."""


class AccessBlocked(AccountRefused):
    """The platform has blocked the user or, with the scope ``app``, every account of the app."""

    def __init__(self, message: str, code: str | None = None, scope: Scope = "account") -> None:
        super().__init__(message, code)
        self.args = (self.message, code, scope)
        self.scope: Scope = scope


class BadRequest(Permanent):
    """The platform refuses the request itself."""


class TooOld(BadRequest):
    """The platform does not report days as old as these any more."""


class TooMuchData(BadRequest):
    """The platform cannot answer a request this big.

    ``pause`` is how many seconds to leave the account alone if none of its requests is answered: it is what the account has used up
    then, not the request. None where the size alone matters. ``named``: the platform says so itself; else it is what repeated failures
    are taken for.
    """

    def __init__(self, message: str, code: str | None = None, pause: float | None = None, *, named: bool = True) -> None:
        super().__init__(message, code)
        self.args = (self.message, code, pause)
        self.pause = pause
        self.named = named

    def for_no_smaller(self) -> AdpulseError:
        """The error where nothing smaller can be requested."""
        if self.pause is None:
            return self
        return RateLimited(f"{self.message} Nothing smaller can be requested; its calls pause.", self.code, retry_after=self.pause)


class TooManyCalls(TooMuchData):
    """An answer has more pages than its read may take calls; none of them is stored."""


class FieldRefused(BadRequest):
    """A field of one object cannot be read, which refuses every page that has the object and the field."""


class MetricRefused(BadRequest):
    """The platform refuses a field that reports can do without: what it holds is unknown then, and the rest is reported."""

    def __init__(self, message: str, code: str | None = None, *, field: str = "") -> None:
        """``field``: its name at the platform."""
        super().__init__(message, code)
        self.field = field


class Unreadable(BadRequest):
    """A row of the answer does not say which entity or day it is of, so no row of the read can be taken for complete."""


class SeveralDays(Unreadable):
    """A row of the answer is of several days, although each day was requested by itself."""


class StatusRefused(BadRequest):
    """The platform does not take the statuses that were asked for, as a list or as a filter."""


class ObjectGone(BadRequest):
    """A campaign, ad set, ad or report that was asked for by its id is there no more."""


class VersionSunset(Permanent):
    """The pinned API version has ended."""


class LeaseLost(AdpulseError):
    """Another worker has claimed the connection since; this worker's result is dropped."""


class WarehouseBusy(AdpulseError):
    """The warehouse's writer lock could not be had in time."""


class WarehouseNewer(WarehouseBusy):
    """A newer adpulse wrote the workspace's warehouse file: this worker leaves it to those of the newer version."""


class WarehouseDamaged(AdpulseError):
    """The warehouse's file is missing, or its content was changed by something else; ``adpulse restore`` brings back a backup."""


class WarehouseElsewhere(AdpulseError):
    """Another home folder has the workspace's warehouse; one that was begun in this home would be a second one."""


class ControlPlaneBusy(AdpulseError):
    """The control plane's database stayed locked by somebody else."""


class ControlPlaneDamaged(AdpulseError):
    """The control plane's file is no database, or a page of it is not as it was written; ``adpulse restore FOLDER`` helps."""


class AlreadyRunning(AdpulseError):
    """Another process does this in the home folder; nothing was touched."""


class DiskFull(AdpulseError):
    """There is no space left to write to; what was there before is whole."""


class Usage(AdpulseError):
    """The request cannot be fulfilled as asked; nothing was changed."""


class UnknownConnection(Usage):
    """No connection has that id or name."""


class NotFound(Usage):
    """No webhook, alert or grant has that id or name."""


class FrequencyRefused(Usage):
    """The frequency does not exist, or the workspace was not granted it."""


class KeysLost(Usage):
    """Secrets are stored, and the file with the keys that they need is missing."""


class Conflict(Usage):
    """It exists already."""
