"""Facts about currencies. Pure."""

import re

_CODE = re.compile("[A-Z]{3}")
WITHOUT_MINOR_UNIT = frozenset({"CLP", "COP", "CRC", "HUF", "ISK", "IDR", "JPY", "KRW", "PYG", "TWD", "VND"})
"""Amounts in the smallest unit are whole units of these: offset 1 (page "Currency codes" of the Marketing API, read 2026-11-29)."""

_MOST_HAVE = 2
_DECIMALS = {
    **dict.fromkeys(
        ["BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"], 0
    ),
    **dict.fromkeys(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"], 3),
}
"""The minor units of ISO 4217 (list one of the maintenance agency, as public packages have it in 2026) where these are not two digits."""


def is_code(text: str) -> bool:
    """Whether a text has the form of a currency's code (ISO 4217), such as EUR."""
    return _CODE.fullmatch(text) is not None


def decimals_of(currency: str) -> int:
    """How many digits people write after the point of amounts in a currency, by ISO 4217: 0 for JPY, 3 for KWD, 2 for most.

    It is for display only, and not how a platform counts: to Meta an amount of HUF is of whole forints.
    """
    return _DECIMALS.get(currency, _MOST_HAVE)
