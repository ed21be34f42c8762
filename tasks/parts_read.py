"""Which parts of days a leg's answers complete. Steps: plan, diff, telemetry."""

from collections.abc import Iterable
from datetime import date, datetime

from adpulse.campaign_range import CampaignRange
from adpulse.fetch_result import FetchResult
from adpulse.planner.day_parts import PART_KINDS


def parts_read(answers: Iterable[FetchResult]) -> dict[tuple[date, CampaignRange], datetime]:
    """The parts whose leaves and totals were both answered, with the earlier of the two reads."""
    instants: dict[tuple[date, CampaignRange], list[datetime]] = {}
    for answer in answers:
        if answer.fetch.kind in PART_KINDS and not answer.fetch.campaigns.is_whole:
            for day, campaigns in answer.coverage.items():
                if campaigns == answer.fetch.campaigns:
                    instants.setdefault((day, campaigns), []).append(answer.fetched_at)
    return {part: min(at) for part, at in instants.items() if len(at) == len(PART_KINDS)}
