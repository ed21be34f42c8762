"""A client of a running sandbox's control endpoint, for tests, the demo and notebooks."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

import pyarrow as pa
import requests

Method = Literal["GET", "POST", "DELETE"]


class Remote:
    """A sandbox, by the address of its control endpoint. Methods raise ``requests.HTTPError`` when a request is refused."""

    def __init__(self, control_url: str) -> None:
        self._url = control_url.rstrip("/")

    def now(self) -> datetime:
        """The current time of the sandbox's clock."""
        return datetime.fromisoformat(self._json("GET", "clock")["now"])

    def advance(self, seconds: float) -> datetime:
        """Move the clock forward and return the new time."""
        return datetime.fromisoformat(self._json("POST", "clock", {"advance_seconds": seconds})["now"])

    def set(self, now: datetime) -> None:
        """Set the clock."""
        self._json("POST", "clock", {"set": now.isoformat()})

    def run(self, rate: float) -> None:
        """Let the clock run at this rate from now on; 0 freezes it."""
        self._json("POST", "clock", {"rate": rate})

    def fault(self, action: str, **rule: Any) -> None:
        """Arm a fault; the fields are those of ``adpulse_sandbox.faults.Rule``."""
        self._json("POST", "faults", {"rules": [{"action": action, **rule}]})

    def clear_faults(self) -> None:
        """Remove all faults."""
        self._json("DELETE", "faults")

    def calls(self, account: str | None = None) -> list[dict[str, Any]]:
        """The call log, of all accounts or of one."""
        calls: list[dict[str, Any]] = self._json("GET", "calls", query={"account": account} if account else {})
        return calls

    def gaps(self) -> list[dict[str, Any]]:
        """What clients requested and the sandbox does not serve: platform, request, feature and count."""
        gaps: list[dict[str, Any]] = self._json("GET", "gaps")
        return gaps

    def world(self) -> dict[str, Any]:
        """Accounts, tokens by label, and the addresses of the endpoints."""
        world: dict[str, Any] = self._json("GET", "world")
        return world

    def truth_metrics(self, account: str, *, since: date, until: date, as_of: datetime, margin: Decimal = Decimal(1)) -> pa.Table:
        """Rows at ad level as the platform reports them at ``as_of``."""
        return self._arrow("truth/metrics", _truth_query(account, since, until, as_of, margin))

    def truth_totals(  # noqa: PLR0913 - what its route takes
        self,
        account: str,
        *,
        since: date,
        until: date,
        as_of: datetime,
        margin: Decimal = Decimal(1),
        complete: bool = False,
        deleted: bool = False,
    ) -> pa.Table:
        """Rows at campaign level; ``complete`` includes numbers that the platform withholds at this level.

        ``deleted`` includes campaigns that reports leave out, as each answers by its id.
        """
        flags = {name: "1" for name, is_set in (("complete", complete), ("deleted", deleted)) if is_set}
        return self._arrow("truth/totals", {**_truth_query(account, since, until, as_of, margin), **flags})

    def truth_account(
        self, account: str, *, since: date, until: date, as_of: datetime, margin: Decimal = Decimal(1), complete: bool = False
    ) -> pa.Table:
        """Rows of the whole account, with what is reported for none of its campaigns; ``complete`` as for totals."""
        return self._arrow("truth/account", {**_truth_query(account, since, until, as_of, margin), "complete": "1" if complete else "0"})

    def truth_entities(self, account: str, *, as_of: datetime) -> pa.Table:
        """Every entity as of ``as_of``."""
        return self._arrow("truth/entities", {"account": account, "as_of": as_of.isoformat()})

    def _json(self, method: Method, path: str, body: object = None, query: Mapping[str, str] | None = None) -> Any:  # noqa: ANN401 - JSON
        answer = requests.request(method, f"{self._url}/{path}", json=body, params=query, timeout=60)
        answer.raise_for_status()
        return answer.json()

    def _arrow(self, path: str, query: Mapping[str, str]) -> pa.Table:
        answer = requests.get(f"{self._url}/{path}", params=query, timeout=120)
        answer.raise_for_status()
        return pa.ipc.open_stream(answer.content).read_all()


def _truth_query(account: str, since: date, until: date, as_of: datetime, margin: Decimal) -> dict[str, str]:
    return {"account": account, "since": since.isoformat(), "until": until.isoformat(), "as_of": as_of.isoformat(), "margin": str(margin)}
