"""Reports as Ads Manager and Google Ads export them, written from a sandbox's truth and by nothing of the product.

The layouts are those of public exports: Ads Manager's first row is the total, without names; Google Ads has two lines above the
header, and its totals at the end.
"""

import csv
import io
from collections import defaultdict
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal

COUNTS = ("impressions", "clicks")

META = {
    "en": {
        "campaign": "Campaign name",
        "campaign_id": "Campaign ID",
        "day": "Day",
        "since": "Reporting starts",
        "until": "Reporting ends",
        "ratio": "CTR (all)",
        "attribution": "Attribution setting",
        "impressions": "Impressions",
        "clicks": "Clicks (all)",
        "spend": "Amount spent ({currency})",
        "purchases": "Purchases",
        "revenue": "Purchases conversion value",
        "leads": "Leads",
        "visitors": "Landing page views",
    },
    "de": {
        "campaign": "Kampagnenname",
        "campaign_id": "Kampagnen-ID",
        "day": "Tag",
        "ratio": "CTR (alle)",
        "impressions": "Impressionen",
        "clicks": "Klicks (alle)",
        "spend": "Ausgegebener Betrag ({currency})",
        "leads": "Leads",
    },
}
GOOGLE = {
    "en": {
        "day": "Day",
        "campaign": "Campaign",
        "campaign_id": "Campaign ID",
        "currency": "Currency code",
        "impressions": "Impr.",
        "clicks": "Clicks",
        "ratio": "CTR",
        "spend": "Cost",
        "conversions": "Conversions",
        "revenue": "Conv. value",
    },
    "de": {
        "day": "Tag",
        "campaign": "Kampagne",
        "campaign_id": "Kampagnen-ID",
        "currency": "Währungscode",
        "impressions": "Impressionen",
        "clicks": "Klicks",
        "ratio": "CTR",
        "spend": "Kosten",
        "conversions": "Conversions",
        "revenue": "Conv.-Wert",
    },
}


@dataclass(frozen=True, kw_only=True)
class Row:
    """A campaign's day, in micros and counts."""

    campaign_id: str
    campaign: str
    day: object
    values: dict


def truth_rows(remote, account, *, since, until, as_of):
    """What the platform's own pages would show at this instant; what Meta withholds of a campaign is None."""
    entities = remote.truth_entities(account, as_of=as_of).to_pylist()
    names = {row["external_id"]: row["name"] for row in entities if row["level"] == "campaign"}
    totals = remote.truth_totals(account, since=since, until=until, as_of=as_of).to_pylist()
    keys = ("external_account", "level", "external_id", "campaign_id", "date")
    return [
        Row(
            campaign_id=row["campaign_id"],
            campaign=names[row["campaign_id"]],
            day=row["date"],
            values={name: value for name, value in row.items() if name not in keys},
        )
        for row in totals
    ]


def plain(value, digits):
    """A number as Ads Manager's English export has it."""
    return f"{(Decimal(value) / 1_000_000).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)}"


def grouped(text, group, decimal):
    """The same with thousands separated."""
    whole, _, part = text.partition(".")
    return f"{int(whole):,}".replace(",", group) + (decimal + part if part else "")


def ads_manager(rows, currency, language="en", *, digits=2, without=()):
    """Ads Manager's export by campaign and day, UTF-8 with commas."""
    columns = {field: name.format(currency=currency) for field, name in META[language].items() if field not in without}
    days = sorted({row.day for row in rows})

    def cells(row, span):
        fixed = {
            "campaign": row.campaign,
            "campaign_id": row.campaign_id,
            "day": row.day,
            "since": span[0],
            "until": span[1],
            "ratio": "1.8231",
            "attribution": "7-day click or 1-day view" if row.campaign else "",
        }
        return [fixed[field] if field in fixed else _meta_number(field, row.values[field], digits) for field in columns]

    total = Row(campaign_id="", campaign="", day="", values=_total(rows))
    return _csv([list(columns.values()), cells(total, (days[0], days[-1])), *(cells(row, (row.day, row.day)) for row in rows)]).encode()


def _meta_number(field, value, digits):
    if field in COUNTS:
        return value
    if field in ("spend", "revenue"):
        return "" if value is None else plain(value, digits)
    return plain(value, 0) if value else ""


def google_ads(rows, currency, language="en", *, excel=False, without=()):
    """Google Ads' download by campaign and day; ``excel`` is its second format, UTF-16 with tabs."""
    columns = {field: name for field, name in GOOGLE[language].items() if field not in without}
    group, decimal = (",", ".") if language == "en" else (".", ",")

    def cells(row, label=None):
        fixed = {
            "day": row.day if label is None else " --",
            "campaign": row.campaign if label is None else " --",
            "campaign_id": row.campaign_id if label is None else " --",
            "currency": currency,
            "ratio": "1.82%" if language == "en" else "1,82 %",
        }
        numbers = [fixed[f] if f in fixed else _google_number(f, row.values[f], group, decimal) for f in columns]
        return [label, *numbers[1:]] if label else numbers

    total = Row(campaign_id="", campaign="", day="", values=_total(rows))
    labels = ("Total: Campaigns", "Total: Account") if language == "en" else ("Gesamt: Kampagnen", "Gesamt: Konto")
    head = [["Campaign report"], ["September 1, 2026 - September 3, 2026"]]
    body = [list(columns.values()), *(cells(row) for row in rows), *(cells(total, label) for label in labels)]
    text = _csv([*head, *body], delimiter="\t" if excel else ",")
    return ("\ufeff" + text).encode("utf-16-le") if excel else text.encode()


def _google_number(field, value, group, decimal):
    if not value:
        return "0"
    return grouped(str(value) if field in COUNTS else plain(value, 2), group, decimal)


def _total(rows):
    sums = defaultdict(int)
    for row in rows:
        for name, value in row.values.items():
            sums[name] += value or 0
    return sums


def _csv(lines, delimiter=","):
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter, lineterminator="\r\n" if delimiter == "\t" else "\n").writerows(lines)
    return out.getvalue()


def changed(rows, change):
    """The rows with other values: ``change`` returns what is new of a row's."""
    return [replace(row, values=row.values | change(row)) for row in rows]
