"""The interface of a platform's part in ``adpulse probe``; each platform implements it in its folder."""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from adpulse.model import Connection
from adpulse.probe.exchange import Exchange, Transcript
from adpulse.probe.redaction import Allowed
from adpulse.probe.verdicts import Assumption, Judgement

CallSlot = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Pause:
    """Seconds to wait before the next request."""

    seconds: float


NO_ACCOUNT = "the credential reaches no account that can be synced"

OUT_OF_REACH = "the credential does not reach this account, or may not read it"

Conversation = Generator[Any, Exchange, str | None]
"""Yields requests and pauses, and is sent the answer of each request. Returns why it was fruitless, if it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is probed: an account, of which everything is known in a connection; without both, the first that the credential reaches."""

    now: datetime
    account: str | None = None
    connection: Connection | None = None


class Asker(Protocol):
    """Sends requests with one credential. Nothing is tried again."""

    version: str

    def ask(self, request: Any, slot: CallSlot) -> Exchange:  # noqa: ANN401 - a request of the platform's own type
        """Send a request, after its slot; whatever goes wrong at the platform is in the answer."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformProbe:
    """What one platform is asked, and how its answers are judged."""

    kinds: Mapping[Any, str]
    """Every kind of request that the platform's client sends, for people."""

    beyond: Mapping[str, str]
    """Variants of these kinds, and requests that only the probe sends, for people."""

    never: Mapping[str, str]
    """Requests of adpulse that are not probed, and why."""

    converse: Callable[[Subject], Conversation]
    judge: Callable[[Exchange], Judgement]
    """Pure: an answer from a file is judged as one of the platform."""

    assumptions: tuple[Assumption, ...]
    results: Callable[[Transcript], list[str]]
    """Conversions as adpulse counts them beside the platform's own results, in sentences without numbers of the account."""

    allowed: Allowed
    asker: Callable[..., Asker]
    """Called with the platform's settings, the clock and a credential."""
