"""Euro reference rates of the European Central Bank, as its CSV files have them. Pure.

The bank publishes ``eurofxref-hist.zip`` with ``eurofxref-hist.csv``, one line for each day on which it set rates and one column for each
currency, and ``eurofxref.zip`` with the newest day alone. A rate is what a euro costs in the currency; "N/A" is a day without one. Days
are written ``2026-11-27`` in the one and ``27 November 2026`` in the other. Source: the bank's page "Euro foreign exchange reference
rates" and public programs that read the files, 2026.
"""

import csv
import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from adpulse.currencies import is_code
from adpulse.errors import Usage

RATE_DAYS = 5
"""A rate counts on its own day and on so many days after it: no bank sets one on weekends and holidays."""

_LARGEST = Decimal(10**9)
_LONGEST = 19
_UNIT = Decimal("0.00000001")
_FILE_SIZE = 100_000_000
_DECIMAL = re.compile(r"\d+(\.\d+)?", re.ASCII)
EURO = "EUR"


@dataclass(frozen=True, slots=True)
class Rate:
    """What a euro cost in a currency on a day, with eight digits."""

    date: date
    currency: str
    per_euro: Decimal


def read_rates(content: bytes) -> list[Rate]:
    """The rates of a file of the European Central Bank, a CSV or the archive that it comes in.

    Raises:
        Usage: it is no such file, or a value in it is no date or no rate; the message has the line.
    """
    try:
        lines = [*csv.reader(io.StringIO(_text(content)))]
    except csv.Error as error:
        raise Usage(f"The file is no CSV: {error}.") from None
    head = [name.strip() for name in lines[0]] if lines else []
    currencies = head[1:-1] if head and not head[-1] else head[1:]
    if head[:1] != ["Date"] or not currencies or not all(map(is_code, currencies)) or EURO in currencies:
        raise Usage('This is no file of the European Central Bank\'s reference rates: its first line must begin with "Date,USD,".')
    rates = [rate for number, line in enumerate(lines[1:], 2) if line for rate in _of_line(number, line, currencies)]
    if not rates:
        raise Usage("The file has no rates.")
    if len({(rate.date, rate.currency) for rate in rates}) < len(rates):
        raise Usage("The file has a day twice.")
    return rates


def _text(content: bytes) -> str:
    if zipfile.is_zipfile(io.BytesIO(content)):
        content = _unpacked(content)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Usage("The file is no text.") from None


def _unpacked(content: bytes) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            files = [file for file in archive.infolist() if file.filename.endswith(".csv")]
            if len(files) != 1 or files[0].file_size > _FILE_SIZE:
                raise Usage("The archive must have one CSV file, of at most 100 MB.")
            return archive.read(files[0])
    except (zipfile.BadZipFile, zlib.error, RuntimeError) as error:  # an archive with a password is a RuntimeError
        raise Usage(f"The archive cannot be read: {error}.") from None


def _of_line(number: int, line: list[str], currencies: list[str]) -> Iterator[Rate]:
    day, *values = (value.strip() for value in line)
    if len(values) < len(currencies) or any(values[len(currencies) :]):
        raise Usage(f"Line {number} has {len(values)} rates for {len(currencies)} currencies.")
    of_day = _day(number, day)
    for currency, value in zip(currencies, values, strict=False):
        if value not in ("N/A", ""):
            yield Rate(of_day, currency, _rate(number, currency, value))


def _day(number: int, text: str) -> date:
    for form in ("%Y-%m-%d", "%d %B %Y"):
        try:
            return datetime.strptime(text, form).date()  # noqa: DTZ007 - a day has no zone
        except ValueError:
            continue
    raise Usage(f"Line {number}: '{text}' is no day.")


def _rate(number: int, currency: str, text: str) -> Decimal:
    rate = Decimal(text).quantize(_UNIT) if _DECIMAL.fullmatch(text) and len(text) <= _LONGEST else Decimal(0)
    if not 0 < rate < _LARGEST:
        raise Usage(f"Line {number}: '{text}' is no rate of {currency}.")
    return rate
