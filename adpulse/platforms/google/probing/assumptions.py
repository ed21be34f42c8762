"""What adpulse assumes of Google and no document settles; which answers decide it, and how. Pure."""

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from adpulse.platforms.google.metrics import RULES
from adpulse.platforms.google.normalise import CATEGORY
from adpulse.platforms.google.probing.conversation import ADS_OF_ONE, ADS_OF_OTHERS, Row, field, rows_of
from adpulse.platforms.google.requests import Kind
from adpulse.probe.exchange import Transcript
from adpulse.probe.verdicts import Assumption, Judgement, Verdict, seen, undecided, whether

_ADDED_UP = ("metrics.impressions", "metrics.clicks", "metrics.cost_micros")
_NEARLY = Decimal("0.000001")
"""Doubles that were added up differ in their last digits."""

_NOTHING = "nothing delivered on that day"


def _number(row: Row, path: str) -> Decimal:
    try:
        return Decimal(str(field(row, path) or 0))
    except ArithmeticError:
        return Decimal("NaN")


def _by_campaign(rows: Iterable[Row]) -> dict[str, dict[str, Decimal]]:
    sums: dict[str, dict[str, Decimal]] = defaultdict(lambda: dict.fromkeys(_ADDED_UP, Decimal(0)))
    for row in rows:
        for name in _ADDED_UP:
            sums[str(field(row, "campaign.id"))][name] += _number(row, name)
    return sums


def _compared(transcript: Transcript, *kinds: str) -> tuple[int, int, int] | None:
    """How many campaigns with such leaves have totals as the leaves add up to, more, and less."""
    leaves = [rows_of(transcript[kind]) for kind in kinds]
    campaigns = rows_of(transcript[Kind.REPORT_CAMPAIGNS])
    if campaigns is None or any(rows is None for rows in leaves):
        return None
    sums, totals = _by_campaign(row for rows in leaves for row in rows or ()), _by_campaign(campaigns)
    signs = [_sign(totals[campaign], sums[campaign]) for campaign in (sums if len(kinds) == 1 else totals)]
    return signs.count(0), signs.count(1), signs.count(-1)


def _sign(total: dict[str, Decimal], leaves: dict[str, Decimal]) -> int:
    differences = [total[name] - leaves[name] for name in _ADDED_UP]
    return 0 if not any(differences) else 1 if all(each >= 0 for each in differences) else -1


def _asset_groups(transcript: Transcript) -> Judgement:
    counts = _compared(transcript, Kind.REPORT_ASSET_GROUPS)
    return undecided("refused") if counts is None else _sums(counts, "asset groups")


def _leaves(transcript: Transcript) -> Judgement:
    counts = _compared(transcript, Kind.REPORT_ADS, Kind.REPORT_ASSET_GROUPS)
    return undecided("refused") if counts is None else _sums(counts, "ads and asset groups")


def _sums(counts: tuple[int, int, int], of: str) -> Judgement:
    equal, more, less = counts
    if not equal + more + less:
        return undecided(_NOTHING)
    words = f"{of} add up to the total of {equal} campaigns; {more} have more than their {of}, {less} less"
    return Judgement(verdict=Verdict.FAILS if less else Verdict.HOLDS if not more else Verdict.SEEN, words=words)


def _customer(transcript: Transcript) -> Judgement:
    campaigns, customer = (rows_of(transcript[kind]) for kind in (Kind.REPORT_CAMPAIGNS, Kind.REPORT_CUSTOMER))
    if campaigns is None or customer is None:
        return undecided("refused")
    if not customer:
        return undecided(_NOTHING)
    different = [name for name in _ADDED_UP if sum(_number(row, name) for row in campaigns) != sum(_number(row, name) for row in customer)]
    return whether(not different, f"different: {', '.join(different)}" if different else ", ".join(_ADDED_UP))


def _split(transcript: Transcript) -> Judgement:
    """All categories of a campaign add up to its conversions, whichever of them adpulse counts."""
    base, split = rows_of(transcript[Kind.REPORT_CAMPAIGNS]), rows_of(transcript[Kind.SPLIT_CAMPAIGNS])
    if base is None or split is None:
        return undecided("refused")
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for row in split:
        sums[str(field(row, "campaign.id"))] += _number(row, "metrics.conversions")
    with_conversions = [row for row in base if _number(row, "metrics.conversions")]
    if not with_conversions:
        return undecided("no conversion on that day")
    different = sum(abs(sums[str(field(row, "campaign.id"))] - _number(row, "metrics.conversions")) > _NEARLY for row in with_conversions)
    return whether(not different, f"{different} of {len(with_conversions)} campaigns differ")


def _asset_group_split(transcript: Transcript) -> Judgement:
    rows = rows_of(transcript[Kind.SPLIT_ASSET_GROUPS])
    return whether(rows is not None, "refused" if rows is None else f"{len(rows)} rows")


def _consumption(transcript: Transcript) -> Judgement:
    streams = [exchange.body for exchange in transcript.values() if isinstance(exchange.body, list) and exchange.body]
    named = sum(any("queryResourceConsumption" in message for message in messages) for messages in streams)
    return seen(f"named in {named} of {len(streams)} answers with rows")


def _omitted(transcript: Transcript) -> Judgement:
    rows = rows_of(transcript[Kind.REPORT_ADS])
    if not rows:
        return undecided(_NOTHING if rows is not None else "refused")
    named = sum(any("resourceName" in part for part in row.values() if isinstance(part, dict)) for row in rows)
    return whether(not named, f"{named} of {len(rows)} rows have some")


def _no_developer_token(transcript: Transcript) -> Judgement:
    return whether(transcript[Kind.ACCESSIBLE].status == "OK", "no request carried one")


def _changes(transcript: Transcript) -> Judgement:
    rows = rows_of(transcript[Kind.CHANGES])
    return whether(rows is not None, "refused" if rows is None else f"{len(rows)} changes")


def _parts(transcript: Transcript) -> Judgement:
    whole, one, others = (rows_of(transcript[kind]) for kind in (Kind.REPORT_ADS, ADS_OF_ONE, ADS_OF_OTHERS))
    if whole is None or one is None or others is None:
        return undecided("refused")
    return (
        whether(len(whole) == len(one) + len(others), f"{len(one)} and {len(others)} rows, of {len(whole)}")
        if whole
        else undecided(_NOTHING)
    )


def _by_time(_: Transcript) -> Judgement:
    return undecided("one probe shows one instant; two within the hour, compared, show how numbers move")


ASSUMPTIONS = (
    Assumption(
        words="asset groups with `segments.date` add up to their campaigns",
        kinds=(Kind.REPORT_ASSET_GROUPS, Kind.REPORT_CAMPAIGNS),
        decide=_asset_groups,
    ),
    Assumption(
        words="ads and asset groups add up to every campaign; what is missing becomes a remainder",
        kinds=(Kind.REPORT_ADS, Kind.REPORT_ASSET_GROUPS, Kind.REPORT_CAMPAIGNS),
        decide=_leaves,
    ),
    Assumption(
        words="a customer's totals are the sum of its campaigns, removed ones included",
        kinds=(Kind.REPORT_CAMPAIGNS, Kind.REPORT_CUSTOMER),
        decide=_customer,
    ),
    Assumption(
        words="the categories of a campaign's conversions add up to them",
        kinds=(Kind.REPORT_CAMPAIGNS, Kind.SPLIT_CAMPAIGNS),
        decide=_split,
    ),
    Assumption(words="conversions of asset groups can be split by category", kinds=(Kind.SPLIT_ASSET_GROUPS,), decide=_asset_group_split),
    Assumption(
        words="`campaign.id IN` and `NOT IN` divide a report without a rest",
        kinds=(Kind.REPORT_ADS, ADS_OF_ONE, ADS_OF_OTHERS),
        decide=_parts,
    ),
    Assumption(words="`change_status` may be asked until a day ahead", kinds=(Kind.CHANGES,), decide=_changes),
    Assumption(words="`omit_unselected_resource_names` leaves them out", kinds=(Kind.REPORT_ADS,), decide=_omitted),
    Assumption(words="answers name `query_resource_consumption`", kinds=(Kind.REPORT_ADS,), decide=_consumption),
    Assumption(words="no developer token is needed", kinds=(Kind.ACCESSIBLE,), decide=_no_developer_token),
    Assumption(words="how Google restates the spend of Performance Max", kinds=(), decide=_by_time),
    Assumption(words="how often Google refreshes its numbers", kinds=(), decide=_by_time),
)


def results(transcript: Transcript) -> list[str]:
    """Which conversions of campaigns adpulse counts as one of its metrics."""
    rows: list[Any] = rows_of(transcript.get(Kind.SPLIT_CAMPAIGNS)) or []
    categories: dict[str, int] = defaultdict(int)
    for row in rows:
        categories[str(field(row, CATEGORY) or "UNSPECIFIED")] += 1
    counted_as = {category: ", ".join(RULES.default.metrics_of(category)) or "conversions only" for category in categories}
    return [
        f"Conversions of {category} are in {count} rows; adpulse counts them as {counted_as[category]}"
        for category, count in sorted(categories.items())
    ]
