"""A call in progress: what the routes, the faults and the call log need to know of it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from adpulse_sandbox.basis import Basis
from adpulse_sandbox.faults import Faults, Request, Rule, error_of
from adpulse_sandbox.meta import errors, paging
from adpulse_sandbox.meta.names import Names
from adpulse_sandbox.meta.report_request import Query
from adpulse_sandbox.meta.tokens import Token

Render = Callable[[], dict[str, Any]]


@dataclass(slots=True)
class Call:
    """A call, which may be one of a batch."""

    token: Token
    params: dict[str, str]
    base: str
    """The address of the request without its parameters."""
    names: Names
    page_rows: int
    account: str = ""
    kind: str = ""
    offset: int = 0
    limit: int = 25
    report: Query | None = None
    rows: int | None = None
    rule: Rule | None = None
    basis: Basis = Basis.DOCUMENTED
    throttled: bool = False
    """Whether it is refused because of the calls before it."""

    def infer(self) -> None:
        """Note that no source shows the answer for this request."""
        self.basis = Basis.INFERRED

    def apply_faults(self, faults: Faults) -> None:
        """Look up the fault rule of the call; wait if it says so.

        Raises:
            GraphError: the error of the rule, if it has one.
        """
        report = self.report
        request = Request(
            account=self.account,
            kind=self.kind,
            page=max(self.offset // self.limit + 1, 2 if self.offset else 1),  # clients may change the rows on their way
            limit=self.limit,
            days=report.days if report else 0,
            span=report.span if report else None,
            fields=len(report.fields) if report else 0,
            report_fields=report.fields if report else (),
            has_campaign=report.has_campaign if report else None,
            count_campaigns=report.count_campaigns if report else lambda: 0,
            filtering=self.params.get("filtering", ""),
        )
        self.rule = rule = faults.strike(request)
        if rule is None:
            return
        if rule.action == "slow":
            time.sleep(rule.seconds)
        error = errors.echoing_refusal(self.params) if rule.action == "refused" else error_of(rule)
        if error:
            raise error

    def page(self, edge: str, rows: Sequence[Render], faults: Faults) -> dict[str, Any]:
        """A page of rows; only its rows are rendered. Only ``next`` says that there are more, as with Meta.

        Raises:
            GraphError: the cursor or the number of rows is invalid, or a fault strikes.
        """
        self.limit = paging.row_limit(self.params, self.page_rows)
        digest = paging.request_digest(self.params, edge)
        self.offset, end = paging.span(self.params, digest, self.limit)
        self.apply_faults(faults)
        rule = self.rule
        if rule and rule.action in ("empty_page", "endless"):
            return self._empty_page(digest, endless=rule.action == "endless")
        # The fault ``duplicate_row`` repeats the last row of the page before.
        start = max(self.offset - 1, 0) if rule and rule.action == "duplicate_row" else self.offset
        shown = [render() for render in rows[start:end]]
        if rule and any(rule.breaks_creative(row) for row in shown):
            raise errors.broken_creative()
        self.rows = len(shown)
        if not shown:
            return {"data": []}
        before, after = paging.cursor(digest, self.offset), paging.cursor(digest, end)
        links: dict[str, Any] = {"cursors": {"before": before, "after": after}}
        if end < len(rows):
            links["next"] = self._link(after=after)
        if self.offset:
            links["previous"] = self._link(before=before)
        return {"data": shown, "paging": links}

    def _empty_page(self, digest: str, *, endless: bool) -> dict[str, Any]:
        """An empty page with a ``next``. The next page has the rows, unless the fault is endless."""
        self.rows = 0
        after = paging.cursor(digest, self.offset, repeated=not endless)
        return {"data": [], "paging": {"cursors": {"before": after, "after": after}, "next": self._link(after=after)}}

    def _link(self, **place: str) -> str:
        others = {name: value for name, value in self.params.items() if name not in ("after", "before")}
        return f"{self.base}?{urlencode({**others, **place})}"
