"""Reports that are computed in the platform's own time ("async jobs"): how they progress and end.

Source: Insights API, "Asynchronous Jobs" and "Limits and Best Practices" (the statuses, and that only ``Job Completed`` at 100 % is ready);
Meta's blog of 2026-01-08 and the page "Insights API Error Codes" (the reasons of a failure).
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from adpulse_sandbox.meta.world import Account, Entity

COMPLETED, FAILED = "Job Completed", "Job Failed"
_FINISHED = 100
_PERCENT_PER_POLL = 60
_STARTED_AT, _RUNNING_AT = 5, 15
"""From which per cent of its time on a job is started and running."""


@dataclass(slots=True)
class Job:
    """A report in progress, and the status with which it ends. A job that ends with ``Job Running`` stays at 100 % for ever."""

    account: Account
    scope: Entity | None
    params: dict[str, str]
    token: str
    started_at: datetime
    span: tuple[date, date]
    ending: str = COMPLETED
    failure: int = 0
    """Which of the reasons of a failure it has."""
    polls: int = 0

    def poll(self, job_id: str, now: datetime) -> dict[str, Any]:
        """The job's node. Where no duration is set, each poll advances the job."""
        self.polls += 1
        percent = self._percent(now)
        state = self.ending if percent == _FINISHED else self._unfinished(percent)
        shown = percent if percent >= _RUNNING_AT else 0
        reason = _FAILURES.get(self.failure, _FAILURES[0]) if state == FAILED else {}
        since, until = self.span
        return {
            "id": job_id,
            "account_id": self.account.id,
            "time_ref": int(self.started_at.timestamp()),
            "async_status": state,
            "async_percent_completion": shown,
            "is_running": state not in (COMPLETED, FAILED),
            "date_start": since.isoformat(),
            "date_stop": until.isoformat(),
            **reason,
        }

    def is_readable(self, now: datetime) -> bool:
        """Whether its rows are answered: some accounts' are refused for a while after the job has completed."""
        spec = self.account.spec
        readable_from = spec.job_seconds + spec.job_unreadable_seconds if spec.job_seconds else 0
        late = (now - self.started_at).total_seconds() < readable_from
        return self.ending == COMPLETED and self._percent(now) == _FINISHED and not late

    def _percent(self, now: datetime) -> int:
        if self.account.spec.job_seconds:
            return min(_FINISHED, int(_FINISHED * (now - self.started_at).total_seconds() / self.account.spec.job_seconds))
        return min(_FINISHED, self.polls * _PERCENT_PER_POLL)

    def _unfinished(self, percent: int) -> str:
        if percent >= _RUNNING_AT:
            return "Job Running"
        return "Job Started" if percent >= _STARTED_AT else "Job Not Started"


def _reason(code: int, subcode: int, message: str, title: str, text: str) -> dict[str, Any]:
    return {
        "error_code": code,
        "error_message": message,
        "error_subcode": subcode,
        "error_user_title": title,
        "error_user_msg": text,
    }


_UNEXPECTED = "An unexpected error has occurred. Please retry your request later."
_FAILURES = {
    0: _reason(2, 1487742, _UNEXPECTED, "The report could not be made", "Please try again with a smaller request."),
    2490547: _reason(-2, 2490547, _UNEXPECTED, "Report Failed", "The report failed. Please try again later."),
    1504045: _reason(-3, 1504045, "Out of memory", "Report Too Large", "The report is too large. Please use a smaller date range."),
}
"""The error fields of a failed job by subcode, beside its status; error codes may be negative. Texts for people are not recorded."""
