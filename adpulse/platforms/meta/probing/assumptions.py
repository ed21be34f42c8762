"""What adpulse assumes of Meta and no document settles; which answers decide it, and how. Pure."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from adpulse.currencies import WITHOUT_MINOR_UNIT
from adpulse.metrics import MICROS
from adpulse.platforms.meta.deleted import tells_of_deletion
from adpulse.platforms.meta.metrics import read
from adpulse.platforms.meta.probing import windows
from adpulse.platforms.meta.probing.allowed import ALLOWED
from adpulse.platforms.meta.probing.conversation import is_whole, rows_of
from adpulse.platforms.meta.probing.judging import changed_at
from adpulse.platforms.meta.requests import Kind
from adpulse.probe.exchange import Exchange, Transcript
from adpulse.probe.verdicts import Assumption, Judgement, seen, undecided, whether
from adpulse.refused_rows import RowRefused

_USAGE = ("x-business-use-case-usage", "x-ad-account-usage", "x-app-usage", "x-fb-ads-insights-throttle")
_WARNING = "x-ad-api-version-warning"
_TOO_LONG = "more than one page: only a smaller account shows it"

Row = Mapping[str, Any]
Decide = Callable[[Transcript], Judgement]


def _error(exchange: Exchange) -> Mapping[str, Any]:
    error = exchange.body.get("error") if isinstance(exchange.body, dict) else None
    return error if isinstance(error, dict) else {}


def _with_rows(*kinds: str) -> Callable[[Callable[..., Judgement]], Decide]:
    """Decide by whole lists of rows; without one of them nothing is decided."""

    def wrap(decide: Callable[..., Judgement]) -> Decide:
        def decided(transcript: Transcript) -> Judgement:
            pages = [rows_of(transcript[kind]) for kind in kinds]
            if any(page is None for page in pages):
                return undecided("refused")
            if not all(is_whole(transcript[kind]) for kind in kinds):
                return undecided(_TOO_LONG)
            return decide(*pages)

        return decided

    return wrap


@_with_rows(Kind.REPORT_ADS, Kind.REPORT_DELIVERY, Kind.REPORT_ACTIONS)
def _halves(whole: list[Row], delivery: list[Row], actions: list[Row]) -> Judgement:
    """The first half was asked of one campaign, the second of all others."""
    if not whole:
        return undecided("no ad delivered on that day")
    same = _ids(whole) == _ids(delivery) | _ids(actions) and not _ids(delivery) & _ids(actions)
    both = "as many rows as one request for everything" if same else "other rows than one request for everything"
    return whether(same, f"the campaign that is left in and the rest that leaves it out have {both}")


@_with_rows(Kind.REPORT_ADS, Kind.REPORT_DELIVERY)
def _only(whole: list[Row], part: list[Row]) -> Judgement:
    if not part:
        return undecided("the campaign did not deliver on that day")
    campaigns = _ids(part, "campaign_id")
    inside = [row for row in whole if str(row.get("campaign_id")) in campaigns]
    return whether(_ids(part) == _ids(inside), "compared row by row")


@_with_rows(Kind.REPORT_ADS, Kind.REPORT_ACTIONS)
def _without(whole: list[Row], rest: list[Row]) -> Judgement:
    if not whole:
        return undecided("no ad delivered on that day")
    missing = _ids(whole) - _ids(rest)
    campaigns = _ids([row for row in whole if str(row.get("ad_id")) in missing], "campaign_id")
    return whether(len(campaigns) == 1 and _ids(rest) <= _ids(whole), "compared row by row")


@_with_rows(Kind.REPORT_CAMPAIGNS, Kind.REPORT_ACCOUNT)
def _totals(campaigns: list[Row], account: list[Row]) -> Judgement:
    if not account:
        return undecided("the account did not deliver on that day")
    different = [name for name in ("spend", "impressions", "clicks") if _sum(campaigns, name) != _sum(account, name)]
    return whether(not different, f"different: {', '.join(different)}" if different else "spend, impressions and clicks")


@_with_rows(Kind.REPORT_ADS, Kind.REPORT_ROWS)
def _asynchronous(direct: list[Row], computed: list[Row]) -> Judgement:
    if not direct:
        return undecided("no ad delivered on that day")
    if _ids(direct) != _ids(computed):
        return whether(holds=False, words="other ads")
    numbers = {str(row.get("ad_id")): _numbers(row) for row in computed}
    different = sum(_numbers(row) != numbers[str(row.get("ad_id"))] for row in direct)
    return whether(not different, f"{different} of {len(direct)} rows have other numbers" if different else "all numbers are equal")


def _cursor(transcript: Transcript) -> Judgement:
    first, second = rows_of(transcript[Kind.ADS]), rows_of(transcript[Kind.ADS_PLAIN])
    if first is None or second is None:
        return whether(holds=False, words="the second page was refused")
    repeated = _ids(first, "id") & _ids(second, "id")
    return whether(not repeated and bool(second), "the second page goes on where the first ended" if not repeated else "ads came twice")


def _changes(transcript: Transcript) -> Judgement:
    everything, changed = rows_of(transcript[Kind.ADS]), rows_of(transcript[Kind.CHANGED_ADS])
    if everything is None or changed is None:
        return undecided("refused")
    since = transcript[Kind.CHANGED_ADS].request["params"]["filtering"][0]["value"]
    if not changed and everything:
        return whether(holds=True, words="no ad changed, and none was listed")
    old = sum(changed_at(row) <= since for row in changed)
    return whether(not old, f"{old} of {len(changed)} ads had not changed" if old else f"all of {len(changed)} ads had changed")


def _filter(transcript: Transcript) -> Judgement:
    refused = _error(transcript[Kind.REPORT_ADS])
    if not refused:
        return whether(holds=True, words="it is answered")
    code, subcode = (number if isinstance(number := refused.get(name), int) else "?" for name in ("code", "error_subcode"))
    said = ". ".join(str(refused[name]) for name in ("message", "error_user_title", "error_user_msg") if refused.get(name))
    return seen(f"it is refused with {code}/{subcode}, so adpulse asks by a narrower filter", said)


def _deleted(transcript: Transcript) -> Judgement:
    node, rows = transcript[Kind.NODE].body, rows_of(transcript[Kind.REPORT_ADS])
    if rows is None or not isinstance(node, dict) or "error" in node:
        return undecided("refused")
    if str(node.get("id")) not in _ids(rows):
        return undecided("no ad with numbers was missing from the lists")
    if node.get("effective_status") == "DELETED":
        return seen("an ad that is deleted has its row, so the reports of this account list them")
    return undecided("the ad that was looked at is not deleted")


def _deletions(transcript: Transcript) -> Judgement:
    rows = rows_of(transcript[Kind.ACTIVITIES])
    if rows is None:
        return seen("the account's changes cannot be read, so campaigns deleted before the first sync have no name")
    deletions = sum(map(tells_of_deletion, rows))
    return seen(f"{deletions} of {len(rows)} changes tell of a deletion") if deletions else undecided("no change tells of a deletion")


def _kind_of_me(transcript: Transcript) -> Judgement:
    error = _error(transcript[Kind.OWN_ACCOUNTS])
    if not error:
        return seen("`me/adaccounts` is answered, so the node has that edge")
    return seen("`me/adaccounts` is refused; the message names the node's type", str(error.get("message")))


def _assigned(transcript: Transcript) -> Judgement:
    exchange = transcript[Kind.ASSIGNED_ACCOUNTS]
    return seen(f"answered with HTTP {exchange.status}, {len(rows_of(exchange) or ())} accounts")


def _headers(transcript: Transcript) -> Judgement:
    counts = {name: sum(name in exchange.headers for exchange in transcript.values()) for name in _USAGE}
    words = ", ".join(f"`{name}` on {count} of {len(transcript)}" for name, count in counts.items())
    return seen(f"{words} (the last answer of each kind)")


def _version_warning(transcript: Transcript) -> Judgement:
    warned = [exchange.headers[_WARNING] for exchange in transcript.values() if _WARNING in exchange.headers]
    return seen(f"on {len(warned)} of {len(transcript)} answers", warned[0] if warned else "")


def _version(transcript: Transcript) -> Judgement:
    named = [(exchange.headers.get("facebook-api-version"), exchange.request.get("version")) for exchange in transcript.values()]
    other = sum(answered not in (None, called) for answered, called in named)
    silent = sum(answered is None for answered, _ in named)
    return whether(not other, f"{other} answers of another version, {silent} that name none, of {len(named)}")


def _page_size(transcript: Transcript) -> Judgement:
    rows = rows_of(transcript[Kind.REPORT_CAMPAIGNS])
    if rows is None:
        return seen("a report with limit=5000 is refused")
    return seen(f"a report with limit=5000 is answered, with {len(rows)} rows; whether a page holds as many only a large account shows")


def _decimals(transcript: Transcript) -> Judgement:
    account, rows = transcript[Kind.ACCOUNT].body, rows_of(transcript[Kind.REPORT_ADS])
    currency = account.get("currency") if isinstance(account, dict) else None
    if str(currency) not in WITHOUT_MINOR_UNIT:
        return undecided("the account's currency has smaller units")
    if not rows:
        return undecided("no ad delivered on that day")
    decimals = sum("." in str(row.get("spend")) for row in rows)
    return seen(f"{decimals} of {len(rows)} amounts have decimals; adpulse reads both")


def _attribution(transcript: Transcript) -> Judgement:
    rows = rows_of(transcript[Kind.REPORT_CAMPAIGNS])
    return undecided("refused") if rows is None else seen(f"{sum('results' in row for row in rows)} of {len(rows)} campaigns have results")


def _by_time(_: Transcript) -> Judgement:
    return undecided("one probe shows one instant; two within the hour, compared, show how often numbers move")


ASSUMPTIONS = (
    Assumption(words="reports take the filter of every status, `DELETED` too", kinds=(Kind.REPORT_ADS,), decide=_filter),
    Assumption(
        words="reports take `campaign.id NOT_IN` beside the filter of statuses, and leave out that campaign only",
        kinds=(Kind.REPORT_ADS, Kind.REPORT_ACTIONS),
        decide=_without,
    ),
    Assumption(
        words="reports take `campaign.id IN` beside the filter of statuses, and list all of that campaign",
        kinds=(Kind.REPORT_ADS, Kind.REPORT_DELIVERY),
        decide=_only,
    ),
    Assumption(
        words="halves of the fields list the same rows as all of them",
        kinds=(Kind.REPORT_ADS, Kind.REPORT_DELIVERY, Kind.REPORT_ACTIONS),
        decide=_halves,
    ),
    Assumption(words="reports list deleted ads that delivered", kinds=(Kind.REPORT_ADS, Kind.NODE), decide=_deleted),
    Assumption(words="the account's activities tell of deleted campaigns", kinds=(Kind.ACTIVITIES,), decide=_deletions),
    Assumption(
        words="the account's totals are the sum of its campaigns", kinds=(Kind.REPORT_CAMPAIGNS, Kind.REPORT_ACCOUNT), decide=_totals
    ),
    *windows.ASSUMPTIONS,
    Assumption(words="an asynchronous report equals a direct one", kinds=(Kind.REPORT_ADS, Kind.REPORT_ROWS), decide=_asynchronous),
    Assumption(words="a cursor of ads stays good for other `fields` and `limit`", kinds=(Kind.ADS, Kind.ADS_PLAIN), decide=_cursor),
    Assumption(words="the bare filter `updated_time` is heeded for ads", kinds=(Kind.ADS, Kind.CHANGED_ADS), decide=_changes),
    Assumption(words="a page may have 5,000 rows", kinds=(Kind.REPORT_CAMPAIGNS,), decide=_page_size),
    Assumption(words="`spend` in a currency without decimals has none", kinds=(Kind.ACCOUNT, Kind.REPORT_ADS), decide=_decimals),
    Assumption(words="the type of `me` for a System User", kinds=(Kind.OWN_ACCOUNTS,), decide=_kind_of_me),
    Assumption(words="`me/assigned_ad_accounts` of a token that is no System User's", kinds=(Kind.ASSIGNED_ACCOUNTS,), decide=_assigned),
    Assumption(words="which usage headers come on which answers", kinds=(Kind.ACCOUNT,), decide=_headers),
    Assumption(words="the version that answers is the one that was called", kinds=(Kind.ACCOUNT,), decide=_version),
    Assumption(words="`X-Ad-Api-Version-Warning` before a version ends", kinds=(Kind.ACCOUNT,), decide=_version_warning),
    Assumption(words="campaigns have the platform's own `results`", kinds=(Kind.REPORT_CAMPAIGNS,), decide=_attribution),
    Assumption(words="how often Meta refreshes its numbers", kinds=(), decide=_by_time),
)


def results(transcript: Transcript) -> list[str]:
    """Conversions as adpulse counts them in campaigns, beside Meta's ``results`` of the same rows."""
    outcomes: dict[str, list[str]] = defaultdict(list)
    for row in rows_of(transcript.get(Kind.REPORT_CAMPAIGNS)) or ():
        if "results" in row:
            indicator, outcome = _compared(row)
            outcomes[indicator].append(outcome)
    return [
        f"Of {len(words)} campaigns whose results are {indicator}, adpulse counts "
        + ", ".join(f"{word} in {words.count(word)}" for word in dict.fromkeys(words))
        for indicator, words in sorted(outcomes.items())
    ]


def _compared(row: Row) -> tuple[str, str]:
    """The kind of a campaign's results, and how many adpulse counts. An indicator without values is zero (seen live 2026-10)."""
    try:
        result = row["results"][0]
        indicator = str(result["indicator"])
        values = result.get("values") or [{"value": "0"}]
        chosen = next((each for each in values if each.get("attribution_windows") in (None, ["default"])), values[0])
        theirs, ours = Decimal(str(chosen["value"])), Decimal(read(row, leaf=True)["conversions"] or 0) / MICROS
    except (LookupError, TypeError, AttributeError, ArithmeticError, RowRefused):
        return "of an unknown form", "none that can be read"
    known = indicator if ALLOWED.values["indicator"].fullmatch(indicator) else "of another kind"
    if row.get("actions") is None and theirs:
        return known, "none, as the row has no actions,"
    return known, "as many" if ours == theirs else "more" if ours > theirs else "fewer"


def _ids(rows: list[Row], name: str = "ad_id") -> set[str]:
    return {str(row.get(name)) for row in rows}


def _sum(rows: list[Row], name: str) -> Decimal:
    try:
        return sum((Decimal(str(row.get(name) or 0)) for row in rows), Decimal(0))
    except ArithmeticError:
        return Decimal("NaN")


def _numbers(row: Row) -> dict[str, int | None] | None:
    try:
        return read(row, leaf=True)
    except RowRefused:
        return None
