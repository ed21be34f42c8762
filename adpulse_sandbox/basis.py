"""What an answer of the sandbox rests on, and the record of what it does not serve. Both platforms use it.

A request whose meaning the sandbox does not know is refused in words that no platform uses, so that nobody takes the refusal for one
of the platform's, and it is counted: the count is the list of what the sandbox lacks.
"""

import threading
from collections import Counter
from enum import StrEnum

HEADER = "x-sandbox-basis"
"""The header (in gRPC the key of the trailing metadata) in which an answer names its basis."""

_REFUSAL = "adpulse sandbox does not serve"


class Basis(StrEnum):
    """What an answer rests on."""

    DOCUMENTED = "documented"
    """On the platform's documents, or on answers of the platform that somebody recorded."""

    INFERRED = "inferred"
    """On what follows from those; no source shows it for this request."""

    UNSUPPORTED = "unsupported"
    """On nothing: the request is refused, and the platform would answer otherwise."""


def refusal(feature: str) -> str:
    """The message of a refusal. ``feature`` names what was requested: ``the parameter breakdowns of insights``."""
    return f"{_REFUSAL} {feature}"


class Gaps:
    """The features that clients requested and the sandbox does not serve, with how often. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, str, str]] = Counter()

    def add(self, platform: str, request: str, feature: str) -> None:
        """Count a refused request.

        Args:
            platform: ``meta`` or ``google``.
            request: the kind of the call, as in the call log.
            feature: what the refusal's message names; without ids and other text of a user, so that equal requests count as one.
        """
        with self._lock:
            self._counts[platform, request, feature] += 1

    def as_json(self) -> list[dict[str, str | int]]:
        """The gaps as JSON objects, most frequent first."""
        with self._lock:
            counts = list(self._counts.items())
        return [
            {"platform": platform, "request": request, "feature": feature, "count": count}
            for (platform, request, feature), count in sorted(counts, key=lambda item: (-item[1], item[0]))
        ]

    def clear(self) -> None:
        """Forget all gaps."""
        with self._lock:
            self._counts.clear()
