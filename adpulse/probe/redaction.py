"""Takes everything out of an answer that could name an account or tell its numbers, consistently. Pure.

Whatever is not allowed is replaced. Ids and numbers become others of the same form, texts become placeholders such as ``[campaign 1]``,
and the same original always becomes the same replacement, under a random key that is not kept. So what adpulse relies on stays: equal
values are equal, zero is zero, what is absent is absent, and amounts keep their decimals. Sums do not hold any more: a factor that kept
them could be found out from the counts. Days move together by a number of days that is not kept either.
"""

import hmac
import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any

from adpulse.probe.exchange import Exchange
from adpulse.redact import MASK, redact

_ID = re.compile(r"(act_)?\d+")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")
_DAY = re.compile(r"\b\d{4}-\d{2}-\d{2}\b")
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}:?\d{2})?)?")
_DIGITS = re.compile(r"\d{5,}")
_TOKENS = re.compile(r"#\d+|v\d+(?:\.\d+)?\b|[^\W\d_][\w]*|\d+|\s+|.", re.DOTALL)
_LONGEST_KEPT_NUMBER = 3
_LEAST_SECRET, _LEAST_PART, _LEAST_ID = 4, 6, 10
_OF_THE_PLATFORM = ("after",)
"""Parameters of our requests that a platform gave us."""

_PLACEHOLDER = re.compile(r"\[[a-z ]+ \d+\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """What an answer of one platform may keep."""

    fields: frozenset[str]
    """Names of fields."""

    values: Mapping[str, re.Pattern[str]]
    """Fields whose text is kept if all of it has this form: enumerations, currencies, time zones."""

    numbers: frozenset[str]
    """Fields whose numbers say nothing of an account: error codes, percentages of limits."""

    names: Mapping[str, str]
    """Fields that hold names, and what is named."""

    texts: frozenset[str]
    """Fields with sentences of the platform, of which known words are kept; ``error.message`` is only the one inside an ``error``."""

    words: frozenset[str]
    """Those words, in lower case."""

    headers: frozenset[str]
    """Headers that are kept, in lower case."""

    resources: frozenset[str] = frozenset()
    """Collections in the names of resources, such as ``customers``."""


@dataclass(slots=True)
class Redactor:
    """Redacts the answers of one probe. ``key`` is random and secret; ``shift`` is added to every day."""

    allowed: Allowed
    key: bytes = field(repr=False)
    shift: timedelta
    _fakes: dict[str, str] = field(default_factory=dict, repr=False)
    _counts: dict[str, int] = field(default_factory=dict)
    _own_words: set[str] = field(default_factory=set)

    def exchange(self, original: Exchange) -> Exchange:
        """The exchange without anything that is not allowed."""
        headers = {name.lower(): value for name, value in original.headers.items() if name.lower() in self.allowed.headers}
        return replace(
            original,
            request=self._own(dict(original.request)),
            headers={name: self._header(name, value) for name, value in headers.items()},
            body=self._value(original.body, ""),
        )

    def text(self, sentence: str) -> str:
        """A sentence that may repeat what a platform said: of that, only known words are kept."""
        kept = []
        for token in _TOKENS.findall(redact(sentence)):
            if token.isdecimal() and len(token) > _LONGEST_KEPT_NUMBER:
                kept.append(self._digits(token))
            elif token[0].isalpha() and not self._is_known(token):
                self._fakes.setdefault(token, "…")
                kept.append("…")
            else:
                kept.append(token)
        return re.sub(r"…(?:[\s_.@/-]*…)+", "…", "".join(kept))

    def originals(self) -> list[str]:
        """What was replaced and could name somebody: ids and texts, for a search of what was written.

        A shorter number may well be the replacement of another one.
        """
        return [original for original in self._fakes if not _NUMBER.fullmatch(original) or len(original) >= _LEAST_ID]

    def _is_known(self, word: str) -> bool:
        """Whether it is one of the platform's words, one of its fields, or of our own requests, which a refusal may repeat."""
        known = f"[{word}]" == MASK or word.lower() in self.allowed.words or word in self.allowed.fields or word in self._own_words
        return known or re.fullmatch(r"v\d+(?:\.\d+)?", word) is not None

    def _own(self, value: Any) -> Any:  # noqa: ANN401 - JSON
        """A part of our own request: only ids and days are not ours."""
        if isinstance(value, Mapping):
            return {
                name: self._placeholder(str(each), "cursor") if name in _OF_THE_PLATFORM else self._own(each)
                for name, each in value.items()
            }
        if isinstance(value, (list, tuple)):
            return [self._own(each) for each in value]
        if isinstance(value, int) and not isinstance(value, bool) and len(str(value)) > _LONGEST_KEPT_NUMBER + 1:
            return value + int(self.shift.total_seconds())  # the instant of changes; no other number of ours is that large
        if not isinstance(value, str):
            return value
        self._own_words.update(token for token in _TOKENS.findall(value) if token[0].isalpha())
        return _DAY.sub(lambda day: self._moved(day[0]), _DIGITS.sub(lambda digits: self._digits(digits[0]), value))

    def _header(self, name: str, text: str) -> str:
        try:
            meters = json.loads(text)
        except ValueError:
            return self.text(text)
        if not isinstance(meters, (dict, list)):
            return self.text(text)
        return json.dumps(self._value(meters, name))

    def _value(self, value: Any, name: str, parent: str = "") -> Any:  # noqa: ANN401 - JSON
        if isinstance(value, Mapping):
            return {self._field(str(key)): self._value(each, str(key), name) for key, each in value.items()}
        if isinstance(value, list):
            return [self._value(each, name, parent) for each in value]
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, float) and not math.isfinite(value):  # which no JSON is, though some write and read it
            return self._placeholder(repr(value), "number")
        if isinstance(value, (int, float)):
            return value if name in self.allowed.numbers else json.loads(self._number(repr(value)))
        return self._string(str(value), name, parent)

    def _field(self, name: str) -> str:
        if name in self.allowed.fields:
            return name
        return self._digits(name) if name.isdecimal() else self._placeholder(name, "field")

    def _string(self, text: str, name: str, parent: str) -> str:
        if self._may_stay(text, name):
            return text
        if _ID.fullmatch(text) and (name.lower().endswith(("id", "ids")) or len(text) >= _LEAST_ID):
            return self._digits(text)
        if _NUMBER.fullmatch(text):
            return self._number(text)
        if _TIME.fullmatch(text):
            return self._moved(text[:10]) + text[10:]
        if name in self.allowed.texts or f"{parent}.{name}" in self.allowed.texts:
            return self.text(text)
        label = self.allowed.names.get(name) or self.allowed.names.get(f"{parent}.{name}")
        return self._resource(text) or self._placeholder(text, label)

    def _may_stay(self, text: str, name: str) -> bool:
        pattern = self.allowed.values.get(name)
        is_value = pattern is not None and pattern.fullmatch(text) is not None
        return not text or is_value or (name in self.allowed.numbers and _NUMBER.fullmatch(text) is not None)

    def _resource(self, text: str) -> str | None:
        """A resource's name with other ids; None for what is no such name."""
        parts = text.split("/")
        if len(parts) % 2 or not all(part in self.allowed.resources for part in parts[::2]):
            return None
        if not all(re.fullmatch(r"[\d~-]+", part) for part in parts[1::2]):
            return None
        return "/".join(part if place % 2 == 0 else self._digits(part) for place, part in enumerate(parts))

    def _placeholder(self, original: str, label: str | None) -> str:
        if original not in self._fakes:
            label = label or "text"
            self._counts[label] = self._counts.get(label, 0) + 1
            self._fakes[original] = f"[{label} {self._counts[label]}]"
        return self._fakes[original]

    def _digits(self, text: str) -> str:
        """Other digits in place of each group of digits, none of them a leading zero that was none."""
        return re.sub(r"\d+", lambda digits: self._fake(digits[0]), text)

    def _number(self, text: str) -> str:
        """Another number of the same form; zero stays zero."""
        if not float(text):
            return text
        whole, dot, rest = text.lstrip("-").partition(".")
        sign = "-" if text.startswith("-") else ""
        fake = self._fake(f"{whole}{dot}{rest}")
        return f"{sign}{fake}"

    def _fake(self, text: str) -> str:
        if text not in self._fakes:
            self._fakes[text] = self._unused(text)
        return self._fakes[text]

    def _unused(self, text: str) -> str:
        """A replacement; for long ones, where it matters, one that is no other's."""
        taken = set(self._fakes.values()) if len(text) >= _LEAST_PART else set()
        for attempt in range(100):
            fake = _other_digits(text, hmac.digest(self.key, f"{attempt} {text}".encode(), "sha512"))
            if fake not in taken:
                return fake
        raise AssertionError("unreachable: a hundred keyed numbers are not all taken")

    def _moved(self, day: str) -> str:
        try:
            return (date.fromisoformat(day) + self.shift).isoformat()
        except (ValueError, OverflowError):
            return "0000-00-00"


def _other_digits(text: str, digest: bytes) -> str:
    """Each digit of a number replaced; a leading digit is not zero, a leading zero stays, and so does an exponent."""
    mantissa, exponent, power = text.partition("e")
    stream, fake = int.from_bytes(digest, "big"), []
    for place, letter in enumerate(mantissa):
        if not letter.isdecimal() or (place == 0 and letter == "0"):
            fake.append(letter)
            continue
        least = 1 if place in (0, len(mantissa) - 1) else 0  # nor a last zero, which a float would lose
        stream, digit = divmod(stream, 10 - least)
        fake.append(str(digit + least))
    return f"{''.join(fake)}{exponent}{power}"


def leaks(text: str, originals: Iterable[str], allowed: Allowed) -> list[str]:
    """Which of the replaced originals a written text still holds.

    A short original is looked for as a whole value, a longer one anywhere; one that is a word that every answer may hold is not.
    """
    found, plain = list[str](), _PLACEHOLDER.sub("", text)
    strings = set(re.findall(r'"((?:[^"\\]|\\.)*)"', plain))
    common = {word.lower() for word in (*allowed.words, *allowed.fields, *allowed.resources)}
    for original in originals:
        if len(original) < _LEAST_SECRET or original.lower() in common:
            continue
        written = json.dumps(original)[1:-1]
        if written in strings or (len(original) >= _LEAST_PART and re.search(rf"(?<![^\W_]){re.escape(written)}(?![^\W_])", plain)):
            found.append(original)
    return found
