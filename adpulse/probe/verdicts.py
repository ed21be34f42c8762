"""What a probe says of one request, and of one assumption. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from adpulse.probe.exchange import Transcript


class Verdict(StrEnum):
    """Of a request, or of an assumption about several."""

    WORKS = "works"
    REFUSED_AS_ASSUMED = "refused, which adpulse is made for"
    REFUSED = "refused"
    OTHERWISE = "answered otherwise"
    NOT_ASKED = "not asked"
    HOLDS = "holds"
    FAILS = "does not hold"
    SEEN = "seen"
    """A fact that adpulse assumes nothing about."""
    UNDECIDED = "not decided"


WRONG = frozenset({Verdict.REFUSED, Verdict.OTHERWISE, Verdict.FAILS})
"""Verdicts after which adpulse, or the access to the account, must be changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A verdict and its reason. ``said`` repeats the platform; ``words`` hold nothing of the account.

    ``stops``: no other request would be answered either.
    """

    verdict: Verdict
    words: str = ""
    said: str = ""
    stops: bool = False


def seen(words: str, said: str = "") -> Judgement:
    """What the platform does, where either is right."""
    return Judgement(verdict=Verdict.SEEN, words=words, said=said)


def undecided(why: str) -> Judgement:
    """An assumption that these answers say nothing about."""
    return Judgement(verdict=Verdict.UNDECIDED, words=why)


def whether(holds: bool, words: str) -> Judgement:  # noqa: FBT001 - the condition itself
    """An assumption that these answers decide."""
    return Judgement(verdict=Verdict.HOLDS if holds else Verdict.FAILS, words=words)


def stumbled(error: Exception) -> Judgement:
    """An answer over which a check raised what it should not: a client may, too. The error's text may repeat the answer."""
    return Judgement(verdict=Verdict.OTHERWISE, words=f"adpulse's own checks stumble over it ({type(error).__name__})", said=str(error))


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumption:
    """Something that no document settles, the kinds of requests that decide it, and how."""

    words: str
    kinds: tuple[str, ...]
    decide: Callable[[Transcript], Judgement]

    def judge(self, transcript: Transcript) -> Judgement:
        """The verdict; not decided unless every request was answered."""
        missing = [kind for kind in self.kinds if kind not in transcript]
        if missing:
            return undecided(f"not asked: {', '.join(missing)}")
        try:
            return self.decide(transcript)
        except Exception as error:  # noqa: BLE001 - what the platform answered must be reported, whatever it is
            return stumbled(error)
