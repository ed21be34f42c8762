"""Requests one day in parts where it is too big: halves of its fields, ranges of its campaigns. Step: fetch.

The step that answered a day, and the size of its ranges, are remembered, so that the next read of the day costs only that step.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import pyarrow as pa

from adpulse.campaign_range import NO_CAMPAIGNS, CampaignRange
from adpulse.entity_names import MetricsAnswer
from adpulse.errors import BadRequest
from adpulse.ladder import (
    DAY_STEPS,
    GROWS,
    MOST_REFUSED_RANGES,
    MOST_UNNAMED_RANGES,
    campaign_halves,
    campaign_ranges,
    campaigns_of,
    levels_of_campaigns,
    steps_to_skip,
)
from adpulse.metric_rows import summed, with_profit
from adpulse.metrics_request import MetricsRequest, Step
from adpulse.model import FetchKind
from adpulse.platforms.registry import platform_of
from storage.control.working_sizes import AccountSizes
from tasks.metric_requests import Requests


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What came of a day's ranges: the answers, and the campaigns that they cover.

    ``missing`` are the campaigns of ranges that were not answered, as far as they are known.
    """

    answers: list[MetricsAnswer]
    covered: CampaignRange
    is_whole: bool
    missing: tuple[str, ...] = ()


class StepMemory:
    """Which step answered each day of one kind of read."""

    def __init__(self, sizes: AccountSizes, kind: FetchKind, steps: tuple[Step, ...]) -> None:
        self._sizes, self._kind, self.available = sizes, kind, steps

    def is_noted(self, day: date) -> bool:
        """Whether a step answered the day lately."""
        return self._sizes.noted(self._part(day)) is not None

    def skips(self, day: date) -> tuple[Step, ...] | None:
        """The steps that are not taken for the day, because one below them answered it lately; None if it is requested whole."""
        noted = self._sizes.noted(self._part(day))
        if noted is None or not 0 < noted.size <= len(DAY_STEPS):
            return None
        return steps_to_skip(DAY_STEPS[noted.size - 1], noted.age, self.available)

    def note(self, day: date, step: Step) -> None:
        """The day was answered by this step. Its age is that of the last try of the step above."""
        size, noted = DAY_STEPS.index(step) + 1, self._sizes.noted(self._part(day))
        if noted is None or noted.size != size or noted.age >= GROWS:
            self._sizes.note(self._part(day), size)

    def forget(self, day: date) -> None:
        """The whole day was answered."""
        self._sizes.forget(self._part(day))

    def _part(self, day: date) -> str:
        return f"step:{self._kind}:{day}"


def by_fields(requests: Requests, halves: tuple[MetricsRequest, ...]) -> MetricsAnswer | None:
    """The day in halves of its fields, if both are answered: a field that is absent would count as zero."""
    try:
        answers = [requests.answer(half) for half in halves]
    except BadRequest:
        return None
    rows = with_profit(summed(pa.concat_tables(answer.rows for answer in answers)), requests.connection.gross_margin)
    return MetricsAnswer.merged(answers, rows)


def by_campaigns(requests: Requests, request: MetricsRequest, known: Sequence[str], *, named: bool) -> Parts:
    """The day in ranges of campaigns, as big as they were answered last. What is answered is kept, also where one campaign is too big."""
    levels = levels_of_campaigns(platform_of(requests.connection.provider).smaller_requests)
    sizes, part = requests.sizes, f"campaigns:{request.kind}:{request.since}"
    first = campaign_ranges(request, known, sizes.current(part, len(known)))
    answers, impossible, smallest = list[MetricsAnswer](), list[MetricsRequest](), _largest(first, known)
    covered = NO_CAMPAIGNS
    waiting, most = [(first, 0)], requests.refused + (MOST_REFUSED_RANGES if named else MOST_UNNAMED_RANGES)
    while waiting and requests.refused < most:
        ranges, level = waiting.pop()
        refused = _refused(requests, ranges, answers)
        level = level + 1 if len(refused) == len(ranges) else 0
        smallest = smallest if refused else min(smallest, _largest(ranges, known))
        for answered in (each for each in ranges if each not in refused):
            covered = covered.union(answered.campaigns)
        for each in refused:
            halves = campaign_halves(each, known)
            if halves and level < levels:
                waiting.append((halves, level))
            else:
                impossible.append(each)
    left = [*impossible, *(each for ranges, _ in waiting for each in ranges)]
    if smallest < _largest(first, known):
        sizes.note(part, smallest)
    missing = {campaign for each in left for campaign in campaigns_of(each, known)}
    is_whole, missing = bool(answers) and not left, missing if answers else set()
    return Parts(answers=answers, covered=covered, is_whole=is_whole, missing=tuple(sorted(missing)))


def _refused(requests: Requests, ranges: Sequence[MetricsRequest], answers: list[MetricsAnswer]) -> list[MetricsRequest]:
    """The ranges that are too big; the answers of the others are appended."""
    refused = list[MetricsRequest]()
    for each in ranges:
        try:
            answers.append(requests.answer(each))
        except BadRequest:
            refused.append(each)
    return refused


def _largest(ranges: Sequence[MetricsRequest], known: Sequence[str]) -> int:
    return max((len(campaigns_of(each, known)) for each in ranges), default=1)
