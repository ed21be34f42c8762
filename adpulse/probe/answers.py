"""Files of redacted answers: what a probe writes and what the tests replay. Pure.

One file holds one exchange, with where it comes from and the verdict that it had.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adpulse.probe.exchange import Exchange
from adpulse.probe.verdicts import Verdict

_MOST_ROWS = 10
"""Rows that a file keeps of an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedAnswer:
    """The content of a file. ``source`` says who recorded it, and of which version of the API; ``reason`` belongs to the verdict."""

    platform: str
    source: str
    exchange: Exchange
    verdict: Verdict
    reason: str

    def to_json(self) -> str:
        """The file's text."""
        exchange = self.exchange
        content = {
            "platform": self.platform,
            "source": self.source,
            "kind": exchange.kind,
            "verdict": self.verdict.value,
            "reason": self.reason,
            "request": exchange.request,
            "status": exchange.status,
            "headers": exchange.headers,
            "body": exchange.body,
        }
        return json.dumps(content, indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "RecordedAnswer":
        """The content of a file's text.

        Raises:
            ValueError, KeyError: it is none.
        """
        content = json.loads(text)
        exchange = Exchange(
            kind=content["kind"],
            request=content["request"],
            status=content["status"],
            headers=content["headers"],
            body=content["body"],
        )
        return cls(
            platform=content["platform"],
            source=content["source"],
            exchange=exchange,
            verdict=Verdict(content["verdict"]),
            reason=content["reason"],
        )


def shortened(body: Any) -> Any:  # noqa: ANN401 - JSON
    """An answer with the first of its rows: ``data`` of Meta's, ``results`` in the messages of Google's."""
    if isinstance(body, Mapping):
        return {name: each[:_MOST_ROWS] if name in ("data", "results") and isinstance(each, list) else each for name, each in body.items()}
    return [shortened(each) for each in body[:_MOST_ROWS]] if isinstance(body, list) else body
