"""The control endpoint: clock, faults, call log and truth, over HTTP on loopback only."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from http.server import ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pyarrow as pa

from adpulse_sandbox.basis import Gaps
from adpulse_sandbox.clock import CallLog, SandboxClock, parse_instant
from adpulse_sandbox.faults import Faults
from adpulse_sandbox.google.running import Google
from adpulse_sandbox.meta.graph import APP_ID, APP_SECRET
from adpulse_sandbox.meta.truth import Truth
from adpulse_sandbox.meta.world import World
from adpulse_sandbox.serving import Handler, listen


@dataclass(frozen=True, slots=True, kw_only=True)
class Controls:
    """The routes: ``GET /truth/metrics`` calls ``get_truth_metrics`` with the parameters of the request."""

    world: World
    truth: Truth
    clock: SandboxClock
    calls: CallLog
    faults: Faults
    gaps: Gaps
    graph_url: str
    login_url: str
    google: Google

    def get_health(self, _: dict[str, Any]) -> dict[str, Any]:
        """Report that the server answers."""
        return {"status": "ok"}

    def get_clock(self, _: dict[str, Any]) -> dict[str, Any]:
        """The current time and rate."""
        return {"now": self.clock.now().isoformat(), "rate": self.clock.rate}

    def post_clock(self, body: dict[str, Any]) -> dict[str, Any]:
        """Set the clock (``set``), move it (``advance_seconds``) or change its ``rate``, in this order."""
        if "set" in body:
            self.clock.set(parse_instant(body["set"]))
        if "advance_seconds" in body:
            self.clock.advance(float(body["advance_seconds"]))
        if "rate" in body:
            self.clock.run(float(body["rate"]))
        return self.get_clock({})

    def get_faults(self, _: dict[str, Any]) -> list[dict[str, Any]]:
        """The armed rules, with how often each struck."""
        return self.faults.as_json()

    def post_faults(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        """Add rules to the armed ones."""
        self.faults.add(body["rules"])
        return self.faults.as_json()

    def delete_faults(self, _: dict[str, Any]) -> list[dict[str, Any]]:
        """Remove all rules."""
        self.faults.clear()
        return []

    def get_calls(self, query: dict[str, Any]) -> list[dict[str, Any]]:
        """The call log, of all accounts or of one ``account``."""
        return [call.as_json() for call in self.calls.calls(query.get("account"))]

    def delete_calls(self, _: dict[str, Any]) -> list[dict[str, Any]]:
        """Clear the call log."""
        self.calls.clear()
        return []

    def get_gaps(self, _: dict[str, Any]) -> list[dict[str, Any]]:
        """What clients requested and the sandbox does not serve, with how often."""
        return self.gaps.as_json()

    def delete_gaps(self, _: dict[str, Any]) -> list[dict[str, Any]]:
        """Forget all gaps."""
        self.gaps.clear()
        return []

    def get_world(self, _: dict[str, Any]) -> dict[str, Any]:
        """Meta's accounts, tokens by label and addresses; everything about Google is under ``google``."""
        accounts = [
            {
                "id": account.id,
                "name": account.spec.name,
                "currency": account.spec.currency,
                "timezone": account.spec.timezone,
                "status": account.spec.status,
                "ads": len(account.ads),
            }
            for account in self.world.accounts.values()
        ]
        tokens = {token.label: token.value for token in self.world.tokens.values()}
        meta = {"graph_url": self.graph_url, "login_url": self.login_url, "app_id": APP_ID, "app_secret": APP_SECRET}
        return {**meta, "accounts": accounts, "tokens": tokens, "google": self.google.describe(self.login_url)}

    def get_truth_metrics(self, query: dict[str, Any]) -> pa.Table:
        """Rows at ad level; for a Google customer also those of asset groups."""
        return (self.google.truth if self._is_google(query) else self.truth).metrics(*_truth_query(query))

    def get_truth_totals(self, query: dict[str, Any]) -> pa.Table:
        """Rows at campaign level; ``complete=1`` includes actions that Meta withholds at this level, ``deleted=1`` deleted campaigns."""
        if self._is_google(query):
            return self.google.truth.totals(*_truth_query(query))
        return self.truth.totals(*_truth_query(query), complete=query.get("complete") == "1", deleted=query.get("deleted") == "1")

    def get_truth_account(self, query: dict[str, Any]) -> pa.Table:
        """Rows of the whole account; ``complete=1`` as for totals."""
        if self._is_google(query):
            return self.google.truth.account_totals(*_truth_query(query))
        return self.truth.account_totals(*_truth_query(query), complete=query.get("complete") == "1")

    def get_truth_entities(self, query: dict[str, Any]) -> pa.Table:
        """Every entity as of ``as_of``."""
        return (self.google.truth if self._is_google(query) else self.truth).entities(query["account"], parse_instant(query["as_of"]))

    def _is_google(self, query: dict[str, Any]) -> bool:
        return query["account"] in self.google.world.customers


def _truth_query(query: dict[str, Any]) -> tuple[str, date, date, datetime, Decimal]:
    since, until = (date.fromisoformat(query[name]) for name in ("since", "until"))
    return query["account"], since, until, parse_instant(query["as_of"]), Decimal(query.get("margin", "1"))


class _Handler(Handler):
    controls: Controls

    def _serve(self) -> None:
        target = urlsplit(self.path)
        name = f"{self.command}_{target.path.strip('/').replace('/', '_')}".lower()
        action: Callable[[dict[str, Any]], Any] | None = getattr(self.controls, name, None)
        body = self.body()
        if action is None:
            self._json(404, {"error": f"The sandbox has no {self.command} {target.path}."})
            return
        try:
            answer = action({**dict(parse_qsl(target.query)), **(json.loads(body) if body else {})})
        except (ValueError, KeyError, TypeError, ArithmeticError, RecursionError) as error:
            self._json(400, {"error": f"{type(error).__name__}: {error}"})
            return
        if isinstance(answer, pa.Table):
            self._arrow(answer)
        else:
            self._json(200, answer)

    def _json(self, status: int, value: object) -> None:
        self.send(status, {"content-type": "application/json"}, json.dumps(value).encode())

    def _arrow(self, table: pa.Table) -> None:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        self.send(200, {"content-type": "application/vnd.apache.arrow.stream"}, sink.getvalue().to_pybytes())

    do_GET = do_POST = do_DELETE = _serve  # noqa: N815 - the standard library looks these names up


def serve(controls: Controls, host: str, port: int) -> ThreadingHTTPServer:
    """Start serving in background threads; ``server_port`` is the port."""
    return listen(type("Handler", (_Handler,), {"controls": controls}), host, port)
