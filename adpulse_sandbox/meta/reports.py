"""The edge ``insights``: reports that are answered at once, and async jobs, whose rows are read when they have completed."""

import json
import threading
from datetime import datetime
from typing import Any

from adpulse_sandbox.clock import SandboxClock
from adpulse_sandbox.faults import Faults
from adpulse_sandbox.meta import errors
from adpulse_sandbox.meta.calls import Call, Render
from adpulse_sandbox.meta.jobs import FAILED, Job
from adpulse_sandbox.meta.nodes import constants, node
from adpulse_sandbox.meta.paging import request_digest
from adpulse_sandbox.meta.parameters import OF_PAGES, check_parameters, parse_fields
from adpulse_sandbox.meta.report import Report
from adpulse_sandbox.meta.report_request import Query, parse
from adpulse_sandbox.meta.truth import Truth
from adpulse_sandbox.meta.world import Account, Entity

_CACHED_ANSWERS = 4
"""How many report answers are cached. The pages of one report that are read within a refresh step share one answer."""

_NOT_OF_ANSWER = ("after", "before", "limit", "access_token", "appsecret_proof")
Answer = tuple[list[Render], dict[str, Any] | None]


class Reports:
    """Answers requests of reports from the truth."""

    def __init__(self, truth: Truth, clock: SandboxClock, faults: Faults) -> None:
        self._truth, self._clock, self._faults = truth, clock, faults
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()
        self._answers: dict[tuple[str, str, int, int], Answer] = {}

    def is_job(self, identifier: str) -> bool:
        """Whether this is the id of an async job."""
        return identifier in self._jobs

    def account_of(self, job_id: str) -> str:
        """The id of the account that a job is about."""
        return self._jobs[job_id].account.id

    def read(self, account: Account, scope: Entity | None, call: Call) -> dict[str, Any]:
        """A page of a report.

        Raises:
            GraphError: the request is invalid or not served.
        """
        call.kind = call.kind or "insights"
        return self._page(account, scope, call, call.params)

    def start(self, account: Account, scope: Entity | None, call: Call) -> dict[str, str]:
        """Start an async job.

        Raises:
            GraphError: the request is invalid or not served.
        """
        call.kind = "insights_job"
        call.report = parse(account, scope, call.params, call.names, self._clock.now())
        call.apply_faults(self._faults)
        with self._lock:
            job_id = str(6_000_000_000_000 + len(self._jobs))
            job = Job(account, scope, dict(call.params), call.token.value, self._clock.now(), call.report.span)
            if call.rule and call.rule.action == "job_fails":
                job.ending, job.failure = call.rule.value or FAILED, call.rule.code
            self._jobs[job_id] = job
        return {"report_run_id": job_id}

    def job(self, method: str, path: list[str], call: Call) -> dict[str, Any]:
        """Answer a job's status or rows.

        The fault ``job_fails`` ends it otherwise: as ``Job Failed`` or what the rule's value says, of which ``Job Running`` is no end.

        Raises:
            GraphError: the job has not completed, is of another token, or the request is invalid.
        """
        job, now = self._jobs[path[0]], self._clock.now()
        if method != "GET":
            raise errors.write_refused()
        if job.token != call.token.value:
            raise errors.unreachable(path[0])
        if path[1:] == ["insights"]:
            return self._rows_of_job(job, call, now)
        if len(path) > 1:
            raise errors.unknown_field(path[1], "AdReportRun")
        call.kind = "job"
        check_parameters(call.params, (), "an async job")
        call.apply_faults(self._faults)
        state = job.poll(path[0], now)
        fields = parse_fields(call.params.get("fields", ""))
        # A failed job gives its reason whatever fields are requested: whether Meta's does was not recorded.
        reason = {name: value for name, value in state.items() if name.startswith("error_")}
        return node(constants("AdReportRun", **state), fields or dict.fromkeys(state), call.names) | reason

    def _rows_of_job(self, job: Job, call: Call, now: datetime) -> dict[str, Any]:
        call.kind = "job_insights"
        if not job.is_readable(now):
            raise errors.not_ready()
        check_parameters(call.params, OF_PAGES, "the rows of an async job")
        if parse_fields(call.params.get("fields", "")):
            raise errors.unsupported("other fields than the job's for the rows of an async job")
        of_job = {name: value for name, value in job.params.items() if name not in _NOT_OF_ANSWER}
        return self._page(job.account, job.scope, call, of_job)

    def _page(self, account: Account, scope: Entity | None, call: Call, params: dict[str, str]) -> dict[str, Any]:
        query = call.report = parse(account, scope, params, call.names, self._clock.now())
        if query.is_inferred:
            call.infer()
        rows, summary = self._answer(query, params)
        page = call.page(f"{call.account}/insights/{request_digest(params, call.account)}", rows, self._faults)
        return page if summary is None else {**page, "summary": summary}

    def _answer(self, query: Query, params: dict[str, str]) -> Answer:
        account, now = query.account, self._clock.now()
        of_answer = json.dumps([query.scope.id if query.scope else "", *sorted(self._of_answer(params))])
        key = (account.id, of_answer, self._truth.step(now), account.version(now))
        with self._lock:
            answer = self._answers.get(key)
        if answer is None:
            report = Report(self._truth, query, now)
            answer = report.rows(), report.summary() if query.summary else None
            with self._lock:
                self._answers[key] = answer
                while len(self._answers) > _CACHED_ANSWERS:
                    self._answers.pop(next(iter(self._answers)))
        return answer

    @staticmethod
    def _of_answer(params: dict[str, str]) -> list[tuple[str, str]]:
        """The parameters that decide an answer's rows and their fields: all but those of paging and of the token."""
        return [(name, value) for name, value in params.items() if name not in _NOT_OF_ANSWER]
