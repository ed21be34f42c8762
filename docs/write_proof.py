"""Writes ``docs/proof.md`` from ``docs/proof.toml``: what was shown on the sandbox, and what on a real account. Run by ``make proof``."""

import tomllib
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "proof.md"
SOURCE = ROOT / "docs" / "proof.toml"

_HEAD = """\
# What was shown, and where

<!-- Made by `make proof` from docs/proof.toml: change it there. -->

The sandbox speaks the platforms' wire protocols as documentation and public reports describe them, and knows the truth.
It is not the platforms.
A test shows a promise on it, with the official SDKs.
The last column says when the same was shown on an account of a real advertiser, or never.
{summary}
What would make people believe these numbers is [`adpulse verify`](howto/verify.md) printing 0 differences on accounts that are not ours.

| promise | shown on the sandbox by | on a real account |
| --- | --- | --- |
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """One thing that adpulse promises."""

    words: str
    tests: tuple[str, ...]
    real: date | Literal["never"]
    """When it was last shown on a real account."""


def promises() -> list[Promise]:
    """What ``docs/proof.toml`` lists.

    Raises:
        ValueError: an entry has no test, or neither a date nor "never".
    """
    listed = tomllib.loads(SOURCE.read_text("utf-8"))["promise"]
    found = [Promise(words=entry["words"], tests=tuple(entry["tests"]), real=entry["real"]) for entry in listed]
    for promise in found:
        if not promise.tests or not (promise.real == "never" or isinstance(promise.real, date)):
            raise ValueError(f"'{promise.words}' needs a test, and a date or \"never\".")
    return found


def missing_tests(found: list[Promise]) -> list[str]:
    """The tests that are named and do not exist."""
    return [test for promise in found for test in promise.tests if not _exists(test)]


def page(found: list[Promise]) -> str:
    """The page's text."""
    shown = sum(promise.real != "never" for promise in found)
    summary = f"{shown or 'None'} of these {len(found)} promises {'was' if shown <= 1 else 'were'} shown on a real account."
    rows = (f"| {promise.words} | {', '.join(f'`{test}`' for test in promise.tests)} | {promise.real} |\n" for promise in found)
    return _HEAD.format(summary=summary) + "".join(rows)


def main() -> None:
    """Write the page; a test that does not exist proves nothing."""
    found = promises()
    if absent := missing_tests(found):
        raise SystemExit(f"docs/proof.toml names tests that do not exist: {', '.join(absent)}")
    PAGE.write_text(page(found), "utf-8")


def _exists(test: str) -> bool:
    path, _, name = test.partition("::")
    return (ROOT / path).is_file() and f"def {name}(" in (ROOT / path).read_text("utf-8")


if __name__ == "__main__":
    main()
