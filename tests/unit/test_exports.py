"""What is read from an exported file, and what is refused with a sentence that says what to do."""

import random
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adpulse.errors import Usage
from adpulse.platforms.registry import PLATFORMS
from adpulse.verification.columns import choices
from adpulse.verification.dates import DateOrder
from adpulse.verification.export import read_export
from adpulse.verification.numbers import Notation

META, GOOGLE = (PLATFORMS[name].export_columns for name in ("meta", "google"))

ADS_MANAGER = """\
Campaign name,Campaign ID,Reporting starts,Reporting ends,Day,Amount spent (EUR),Impressions,CTR (all)
,,2026-09-01,2026-09-02,,37.75,3010,1.9
Brand,11,2026-09-01,2026-09-02,2026-09-01,12.5,1010,1.8
Brand,11,2026-09-01,2026-09-02,2026-09-02,25.25,2000,2.0
"""
GOOGLE_ADS = """\
Kampagnenbericht
"1. September 2026 - 2. September 2026"
Tag,Kampagne,Kosten,Klicks,Conversions,CTR
2026-09-01,Brand,"1.012,50","1.010","3,00","5,23 %"
2026-09-02,Gesamtpaket, --,7, --,"0,10 %"
Gesamt: Kampagnen, --,"1.012,50","1.017","3,00","5,20 %"
Gesamt: Konto, --,"1.012,50","1.017","3,00","5,20 %"
"""


def read(text, names=META, *columns, notation=None, order=None):
    return read_export(text if isinstance(text, bytes) else text.encode(), names, choices(columns), notation, order)


def slashed(first, second):
    """Ads Manager's export with these days, as a spreadsheet program may have saved it."""
    text = ADS_MANAGER.replace("2026-09-01,2026-09-02,2026-09-01", f"2026-09-01,2026-09-02,{first}")
    return text.replace("2026-09-01,2026-09-02,2026-09-02", f"2026-09-01,2026-09-02,{second}").encode()


def sums(export):
    return {key: dict(total.values) for key, total in export.sums.items()}


def test_ads_managers_export_without_its_first_row_of_totals():
    export = read(ADS_MANAGER)

    assert sums(export) == {
        ("11", date(2026, 9, 1)): {"impressions": Decimal(1010), "spend": Decimal("12.5")},
        ("11", date(2026, 9, 2)): {"impressions": Decimal(2000), "spend": Decimal("25.25")},
    }
    assert (export.totals, export.currencies, export.columns.ignored) == (1, {"EUR"}, ("CTR (all)",))


def test_google_ads_download_without_its_title_and_the_totals_at_its_end():
    export = read(GOOGLE_ADS, GOOGLE)

    assert sums(export) == {
        ("Brand", date(2026, 9, 1)): {"clicks": Decimal(1010), "spend": Decimal("1012.50"), "conversions": Decimal(3)},
        ("Gesamtpaket", date(2026, 9, 2)): {"clicks": Decimal(7)},
    }
    assert (export.totals, export.by_id) == (2, False)


@pytest.mark.parametrize("label", ["Total", "Total: Account", "Gesamt: Konto", "Summe", "total : campagnes"])
def test_totals_of_single_days_are_left_out(label):
    export = read(GOOGLE_ADS + f"2026-09-01,{label},5,5,5,\n", GOOGLE)

    assert export.totals == 3


def test_a_campaigns_total_over_all_days_is_left_out():
    """A download by day may have one for each campaign."""
    export = read(GOOGLE_ADS + " --,Brand,5,5,5,\n", GOOGLE)

    assert (export.totals, sums(export)) == (3, sums(read(GOOGLE_ADS, GOOGLE)))


@pytest.mark.parametrize("campaign", ["Total Rewards", "Gesamtpaket", "Summer"])
def test_a_campaign_whose_name_begins_like_a_total_stays(campaign):
    export = read(GOOGLE_ADS + f"2026-09-01,{campaign},5,5,5,\n", GOOGLE)

    assert (campaign, date(2026, 9, 1)) in export.sums


def test_a_campaign_named_like_a_total_stays_where_it_has_an_id():
    assert ("12", date(2026, 9, 1)) in read(ADS_MANAGER + "Total: Brand,12,,,2026-09-01,1,1,1\n").sums


def test_rows_of_ads_are_added_up_without_the_sums_between_them():
    ads = (
        "Campaign name,Ad name,Day,Amount spent (EUR)\n"
        "Brand,A,2026-09-01,1.10\nBrand,B,2026-09-01,2.20\nBrand,,2026-09-01,3.30\nBrand,All,2026-09-01,3.30\n"
    )
    ((key, total),) = read(ads).sums.items()

    assert (key, total.rows, total.values) == (("Brand", date(2026, 9, 1)), 2, {"spend": Decimal("3.30")})


def test_nothing_of_a_file_moves_the_cursor_of_a_terminal():
    export = read(ADS_MANAGER.replace("Brand", "Br\x1b[2Jand"))

    assert set(export.campaigns.values()) == {"Br\ufffd[2Jand"}


def test_an_empty_column_below_campaigns_makes_no_row_a_sum():
    text = ADS_MANAGER.replace("CTR (all)", "Ad name").replace(",1.8\n", ",\n").replace(",1.9\n", ",\n").replace(",2.0\n", ",\n")

    assert sums(read(text)) == sums(read(ADS_MANAGER))


def test_rows_of_one_day_need_no_column_of_days():
    text = ADS_MANAGER.replace(",Day,", ",Budget,").replace("2026-09-01,2026-09-02,2026-09-01", "2026-09-01,2026-09-01,")
    text = text.replace("2026-09-01,2026-09-02,2026-09-02", "2026-09-02,2026-09-02,")

    assert sums(read(text)) == sums(read(ADS_MANAGER))


def test_columns_are_named_by_hand():
    text = (
        ADS_MANAGER.replace("CTR (all)", "Käufe auf der Website")
        .replace(",1.8\n", ",4\n")
        .replace(",1.9\n", ",4\n")
        .replace(",2.0\n", ",\n")
    )
    export = read(text, META, "purchases=Käufe auf der Website")

    assert [total.values.get("purchases") for total in export.sums.values()] == [4, None]


def test_a_platform_without_known_names_needs_all_of_them_by_hand():
    export = read("When;Where;Price\n2026-09-01;Brand;1,50\n", {}, "day=When", "campaign=Where", "spend=Price")

    assert sums(export) == {("Brand", date(2026, 9, 1)): {"spend": Decimal("1.50")}}


names = st.text("abcXYZ äöü,;\"'%|1", min_size=1).map(lambda name: f"n{name}".strip())
PREAMBLES = ["", "Campaign report\n", 'Untitled report\n"September 1, 2026 - September 3, 2026"\n', "sep=;\n"]
numbers = st.integers(0, 10**9).map(lambda cents: Decimal(cents).scaleb(-2))


@given(
    rows=st.dictionaries(st.tuples(names, st.integers(0, 400)), st.tuples(numbers, st.integers(0, 10**7)), min_size=1),
    text=st.tuples(st.sampled_from(",;\t"), st.sampled_from(["\n", "\r\n"]), st.sampled_from(PREAMBLES)),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be-mark"]),
    style=st.sampled_from([("", "."), (",", "."), (".", ","), ("", ","), ("\u202f", ",")]),
    german=st.booleans(),
)
def test_every_layout_reads_back_what_was_written(rows, text, encoding, style, german):
    delimiter, end, preamble = text

    def quoted(text):
        return '"' + text.replace('"', '""') + '"' if any(sign in text for sign in f'"{delimiter}') else text

    def number(value, digits):
        whole, _, part = f"{value:.{digits}f}".partition(".")
        return f"{int(whole):,}".replace(",", style[0]) + (style[1] + part if part else "")

    day = {n: date(2026, 1, 1) + timedelta(days=n) for _, n in rows}
    lines = [("Tag", "Kampagne", "Kosten", "Klicks") if german else ("Day", "Campaign", "Cost", "Clicks")]
    lines += [
        (f"{day[n]:%d.%m.%Y}" if german else f"{day[n]}", name, number(spend, 2), number(clicks, 0))
        for (name, n), (spend, clicks) in rows.items()
    ]
    lines += [("Total: Account", " --", "9", "9")]
    text = preamble.replace("\n", end) + "".join(delimiter.join(map(quoted, line)) + end for line in lines)
    content = ("\ufeff" + text).encode("utf-16-be") if encoding == "utf-16-be-mark" else text.encode(encoding)

    assert sums(read(content, GOOGLE)) == {
        (name, day[n]): {"spend": spend, "clicks": Decimal(clicks)} for (name, n), (spend, clicks) in rows.items()
    }


def junk(size):
    return random.Random(7).randbytes(size)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is empty"),
        (b"\n \r\n", "is empty"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "neither UTF-8 nor UTF-16"),
        (b"PK\x03\x04rest", "is an Excel workbook"),
        (b"abc\0def\0", "is not text"),
        (b"\xff\xfea", "neither UTF-8 nor UTF-16"),
        (ADS_MANAGER.replace("Brand", "Frühling").encode("latin-1"), "neither UTF-8 nor UTF-16"),
        (b"just a letter,\nto somebody\n", "No line has the names of columns that are known here. The file begins with: 'just a letter,'"),
        (junk(10_000_000), "neither UTF-8 nor UTF-16"),
        (junk(5_000_000).hex().encode(), "No line has the names"),
        (b"," * 10_000_000, "No line has the names"),
        (b"Day,Campaign name\n" * 20_000, "No column holds a metric"),
        (ADS_MANAGER.partition("\n")[0].encode(), "no row of a campaign and a day"),
        (ADS_MANAGER[:-20].encode(), "the file is cut off"),
        (ADS_MANAGER.replace("\nBrand,11", '\n"Brand,11', 1).encode(), "not a whole CSV file"),
        (ADS_MANAGER.replace("25.25", "25,25").encode(), "has 9 cells, the header 8"),
        (ADS_MANAGER.replace("25.25", "lots").encode(), "'lots' in line 4, column 'Amount spent (EUR)' is not a number"),
        (ADS_MANAGER.replace("2000", "2000.5").encode(), "is not a whole number"),
        (ADS_MANAGER.replace("Brand,11", "Brand,1.20253E+17").encode(), "was rounded by a spreadsheet program"),
        (ADS_MANAGER.replace("Brand,11", "Brand,").encode(), "has no id in the column 'Campaign ID'"),
        (ADS_MANAGER.replace(",2026-09-02,25", ",1/32/2026,25").encode(), "'1/32/2026' in line 4 is not a day"),
        (ADS_MANAGER.replace(",2026-09-02,25", ",1/23/26,25").encode(), "'1/23/26' in line 4 is not a day"),
        (slashed("9/1/2026", "9/2/2026"), "'9/1/2026' in line 3 may be two days, and no other day of the file says which. Give --dates"),
        (slashed("13/9/2026", "9/13/2026"), "The days are written in two ways: '13/9/2026' in line 3, and '9/13/2026' in line 4"),
        (ADS_MANAGER.replace(",2026-09-02,25", ",31.02.2026,25").encode(), "'31.02.2026' in line 4 is not a day"),
        (ADS_MANAGER.replace(",Day,", ",Other,").encode(), "is of more days than 2026-09-01"),
        (ADS_MANAGER.replace("CTR (all)", "Amount spent (EUR)").encode(), "(EUR)' may be 'spend'"),
        (ADS_MANAGER.replace("Campaign name,Campaign ID", "Name,Id").encode(), "No column holds the campaign: 'Campaign name'"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_what_is_no_such_file_is_refused(content, told):
    with pytest.raises(Usage) as refused:
        read(content)

    assert told in str(refused.value)
    assert len(str(refused.value)) < 700


MONTH, DAY_OF_MONTH = DateOrder.MONTH_FIRST, DateOrder.DAY_FIRST


@pytest.mark.parametrize(
    ("written", "order", "days"),
    [
        (("1/9/2026", "1/23/2026"), None, ("2026-01-09", "2026-01-23")),
        (("23/1/2026", "9/1/2026"), None, ("2026-01-23", "2026-01-09")),
        (("9/9/2026", "10/10/2026"), None, ("2026-09-09", "2026-10-10")),
        (("9/1/2026", "9/2/2026"), MONTH, ("2026-09-01", "2026-09-02")),
        (("9/1/2026", "9/2/2026"), DAY_OF_MONTH, ("2026-01-09", "2026-02-09")),
        (("2026-01-09", "1/23/2026"), None, ("2026-01-09", "2026-01-23")),
        (("09.01.2026", "23/1/2026"), None, ("2026-01-09", "2026-01-23")),
    ],
)
def test_the_order_of_days_with_slashes_is_the_one_that_fits_all_of_them(written, order, days):
    export = read(slashed(*written), order=order)

    assert [day.isoformat() for _, day in export.sums] == list(days)


def test_an_order_that_was_chosen_is_refused_where_a_day_does_not_fit():
    with pytest.raises(Usage, match=r"--dates dmy does not fit the file: '1/23/2026' in line 4 is a day only where the month comes first"):
        read(slashed("1/9/2026", "1/23/2026"), order=DAY_OF_MONTH)


@given(st.integers(0, len(ADS_MANAGER)))
def test_a_file_cut_anywhere_is_refused_or_has_only_whole_rows(length):
    whole = sums(read(ADS_MANAGER + "\n"))
    try:
        found = sums(read(ADS_MANAGER[:length]))
    except Usage:
        return
    last = max(found)
    assert {key: value for key, value in found.items() if key != last}.items() <= whole.items()


@pytest.mark.parametrize("given_column", ["purchases", "colour=Cost", "spend=", "profit=Cost"])
def test_a_column_that_says_nothing_is_refused(given_column):
    with pytest.raises(Usage, match="does not say what a column holds"):
        choices([given_column])


def test_a_chosen_column_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(Usage, match=r"There is no column 'Kosten'\. The file has: 'Campaign name'"):
        read(ADS_MANAGER, META, "spend=Kosten")


def test_the_notation_decides_what_the_file_leaves_open():
    text = "Day,Campaign name,Amount spent\n2026-09-01,Brand,1.234\n"

    with pytest.raises(Usage, match="may be two numbers"):
        read(text)
    assert [total.values["spend"] for total in read(text, notation=Notation.COMMA).sums.values()] == [1234]
