"""One request and its answer, as a probe records it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

NO_ANSWER = "no answer"
"""The status of a request that was not answered, or not with what its protocol allows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A request of a platform's table and its answer. ``request`` never holds the credential; ``body`` is JSON."""

    kind: str
    request: Mapping[str, Any]
    status: str
    headers: Mapping[str, str]
    body: Any


Transcript = Mapping[str, Exchange]
"""The last exchange of each kind that was asked."""
