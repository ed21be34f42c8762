"""The report of a probe, in Markdown. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from adpulse.probe.exchange import Transcript
from adpulse.probe.platform_probe import PlatformProbe
from adpulse.probe.running import MOST_CALLS, Answered, Outcome
from adpulse.probe.verdicts import WRONG, Assumption, Judgement, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What a probe showed: the outcome of its requests, and the verdict on each assumption."""

    label: str
    version: str
    month: str
    """A day would tell by how many days those in the answers were moved."""

    outcome: Outcome
    assumptions: Sequence[tuple[Assumption, Judgement]]
    results: Sequence[str]

    @property
    def is_as_assumed(self) -> bool:
        """Whether an account was read, and every answer is one that adpulse is made for."""
        verdicts = [each.judgement.verdict for each in self.outcome.answered]
        verdicts += [judgement.verdict for _, judgement in self.assumptions]
        return bool(self.outcome.answered) and not self.outcome.fruitless and not WRONG.intersection(verdicts)


def findings(probe: PlatformProbe, outcome: Outcome, label: str, version: str, month: str) -> Findings:
    """Everything that the outcome shows."""
    transcript = outcome.transcript
    return Findings(
        label=label,
        version=version,
        month=month,
        outcome=outcome,
        assumptions=[(each, each.judge(transcript)) for each in probe.assumptions],
        results=_results(probe, transcript),
    )


def _results(probe: PlatformProbe, transcript: Transcript) -> list[str]:
    try:
        return probe.results(transcript)
    except Exception as error:  # noqa: BLE001 - as for an assumption
        return [f"The conversions cannot be compared ({type(error).__name__})"]


def markdown(found: Findings, probe: PlatformProbe, redacted: Callable[[str], str]) -> str:
    """The report. ``redacted`` is applied to what the platform said."""
    return "\n".join(_lines(found, probe, redacted)) + "\n"


def _lines(found: Findings, probe: PlatformProbe, redacted: Callable[[str], str]) -> Iterator[str]:
    verdict = (
        "Everything that was asked is answered as adpulse assumes." if found.is_as_assumed else "Not everything is as adpulse assumes."
    )
    yield from (f"# Probe of {found.label}", "", verdict)
    calls = f"{found.outcome.calls} of at most {MOST_CALLS} calls were made in {found.month}"
    yield f"{calls}, to version {found.version}; each reads, and none was repeated."
    if found.outcome.stopped:
        yield f"The probe ended early: {found.outcome.stopped}."
    yield from ("", "## Requests")
    yield from _table(("request", "verdict", "what came"), _requests(found.outcome.answered, probe, redacted))
    yield from ("", "## Not verified by documents")
    lines = ((each.words, judgement.verdict.value, _reason(judgement, redacted)) for each, judgement in found.assumptions)
    yield from _table(("assumption", "verdict", "reason"), lines)
    yield from ("", "## Conversions, ours beside the platform's", "")
    yield from (f"- {sentence}." for sentence in found.results or ["No answer had conversions to compare"])
    yield from ("", "## Never asked", "")
    yield from (f"- {words}: {why}" for words, why in probe.never.items())


def _requests(answered: Iterable[Answered], probe: PlatformProbe, redacted: Callable[[str], str]) -> Iterator[tuple[str, str, str]]:
    judged: Mapping[str, Judgement] = {each.exchange.kind: each.judgement for each in answered}
    missing = Judgement(verdict=Verdict.NOT_ASKED, words="an earlier answer did not give what it needs, or the probe ended before")
    for kind, words in {**probe.kinds, **probe.beyond}.items():
        judgement = judged.get(kind, missing)
        yield words, judgement.verdict.value, _reason(judgement, redacted)


def _reason(judgement: Judgement, redacted: Callable[[str], str]) -> str:
    said = f"It says: {redacted(judgement.said)}" if judgement.said else ""
    return ". ".join(filter(None, (judgement.words, said)))


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield ""
    for cells in (head, ["---"] * len(head), *rows):
        yield f"| {' | '.join(' '.join(cell.replace('|', '/').split()) for cell in cells)} |"
