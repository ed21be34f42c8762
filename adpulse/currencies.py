"""Facts about currencies. Pure."""

WITHOUT_MINOR_UNIT = frozenset({"CLP", "COP", "CRC", "HUF", "ISK", "IDR", "JPY", "KRW", "PYG", "TWD", "VND"})
"""Amounts in the smallest unit are whole units of these: offset 1 (page "Currency codes" of the Marketing API, read 2026-11-29)."""
