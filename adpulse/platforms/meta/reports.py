"""Reports that Meta computes in its own time ("async jobs"), for what is too big for an answer. Step: fetch.

Source: Insights API, "Asynchronous Jobs" and "Limits and Best Practices". A report is ready at ``Job Completed`` and 100 % only:
before that its rows are refused (SDK issue 293). It may stay at 100 % and ``Job Running`` for ever (reported with pull request 63 of
a public connector), so the ladder sets an end. ``Job Failed`` and ``Job Skipped`` are ends.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from adpulse.entity_names import MetricsAnswer
from adpulse.errors import TooMuchData, Unavailable
from adpulse.metrics_request import MetricsRequest
from adpulse.model import Connection
from adpulse.platforms.base import CallSlot
from adpulse.platforms.meta.requests import MetaRequest, report_rows, report_state, start_report
from adpulse.redact import excerpt

Page = dict[str, Any]
Call = Callable[[MetaRequest, CallSlot, str], Page]
"""The request, its slot, and whom it is about."""

_COMPLETED, _FINISHED = "Job Completed", 100
_ENDS = ("Job Failed", "Job Skipped")


class MetaReports:
    """The reports of one client, over its calls."""

    def __init__(
        self,
        call: Call,
        pages: Callable[[MetaRequest, Connection, MetricsRequest, CallSlot], Iterator[list[Page]]],
        answer: Callable[[Connection, MetricsRequest, Iterator[list[Page]]], MetricsAnswer],
    ) -> None:
        self._call, self._pages, self._answer = call, pages, answer

    def start(self, connection: Connection, request: MetricsRequest, slot: CallSlot) -> str:
        """Request a report; its id, which Meta keeps for 30 days.

        Raises:
            Unavailable: the answer names no report.
        """
        about = f"account {connection.external_id}"
        started = self._call(start_report(connection, request), slot, about)
        if not str(started.get("report_run_id", "")).isdecimal():
            raise Unavailable(f"Meta started no report for {about}.", "malformed")
        return str(started["report_run_id"])

    def read(self, connection: Connection, request: MetricsRequest, report_id: str, slot: CallSlot) -> MetricsAnswer | None:
        """The report's rows; None while it is computed.

        Raises:
            TooMuchData: Meta could not compute it.
            ObjectGone: Meta has it no more.
        """
        about = f"account {connection.external_id}"
        state = self._call(report_state(report_id), slot, about)
        if state.get("async_status") in _ENDS:
            raise TooMuchData(f"Meta could not compute a report for {about}: {_reason(state)}", "async")
        if state.get("async_status") != _COMPLETED or state.get("async_percent_completion") != _FINISHED:
            return None
        return self._answer(connection, request, self._pages(report_rows(report_id), connection, request, slot))


def _reason(state: Mapping[str, Any]) -> str:
    """Meta's words for it, from version 25.0 on; the status in earlier ones."""
    words = [str(state.get(name) or "").strip() for name in ("error_user_title", "error_user_msg", "error_message")]
    return excerpt(". ".join(word.removesuffix(".") for word in words if word) or str(state.get("async_status")), 300)
