"""Files of the European Central Bank's reference rates."""

import io
import zipfile
from datetime import date
from decimal import Decimal

import pytest

from adpulse.errors import Usage
from adpulse.exchange_rates import Rate, read_rates

HISTORY = "Date,USD,JPY,RUB,\n2026-11-27,1.1582,180.94,N/A,\n2026-11-26,1.1601,181.2,,\n"
NEWEST = "Date, USD, JPY, \n27 November 2026, 1.1582, 180.94, \n"


def archive(*names, text=HISTORY):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        for name in names:
            file.writestr(name, text)
    return content.getvalue()


@pytest.mark.parametrize("content", [HISTORY.encode(), HISTORY.encode("utf-8-sig"), archive("eurofxref-hist.csv")])
def test_every_day_has_the_rates_that_were_set(content):
    assert read_rates(content) == [
        Rate(date(2026, 11, 27), "USD", Decimal("1.1582")),
        Rate(date(2026, 11, 27), "JPY", Decimal("180.94")),
        Rate(date(2026, 11, 26), "USD", Decimal("1.1601")),
        Rate(date(2026, 11, 26), "JPY", Decimal("181.2")),
    ]


def test_the_file_of_the_newest_day_writes_days_in_words():
    assert {(rate.date, rate.currency) for rate in read_rates(NEWEST.encode())} == {(date(2026, 11, 27), code) for code in ("USD", "JPY")}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no file of the European"),
        (b"Date\n", "no file of the European"),
        (b"Date,dollar\n2026-11-27,1.2\n", "no file of the European"),
        (b"Date,USD\n", "no rates"),
        (b"Date,USD\n2026-11-27,N/A\n", "no rates"),
        (b"Date,USD\n27.11.2026,1.2\n", r"Line 2: '27\.11\.2026' is no day"),
        (b"Date,USD\n2026-11-27,1.2\n2026-11-26,1.2,3,4\n", "Line 3 has 3 rates for 1 currencies"),
        (b"Date,USD\n2026-11-27,1.2\n2026-11-27,1.3\n", "a day twice"),
        *((f"Date,USD\n2026-11-27,{rate}\n".encode(), f"'{rate}' is no rate of USD") for rate in ("0", "-1", "NaN", "1e99", "x", "1e-30")),
        (b"Date,USD,EUR\n2026-11-27,1.2,1\n", "no file of the European"),
        (b"Date,USD,JPY\n2026-11-27,1.2\n", "Line 2 has 1 rates for 2 currencies"),
        (b"Date,USD\n2026-11-27,1_05\n", "'1_05' is no rate"),
        (b"Date,USD\n2026-11-27,999999999.999999999\n", "is no rate"),
        (b"Date,USD\n" + b"1" * 200_000, "no CSV"),
        (archive("eurofxref-hist.csv").replace(b"1.1582", b"1.1583"), "archive cannot be read"),
        (b"\xff\xfe", "no text"),
        (archive(), "one CSV file"),
        (archive("a.csv", "b.csv"), "one CSV file"),
    ],
)
def test_whatever_is_no_such_file_is_refused_with_its_line(content, message):
    with pytest.raises(Usage, match=message):
        read_rates(content)
