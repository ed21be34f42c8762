"""Holds a conversation with a platform, within the calls of a probe. Pure but for what it is given."""

from collections.abc import Callable
from dataclasses import dataclass, field

from adpulse.errors import RateLimited
from adpulse.probe.exchange import Exchange
from adpulse.probe.platform_probe import Asker, CallSlot, Pause, PlatformProbe, Subject
from adpulse.probe.verdicts import Judgement, stumbled

MOST_CALLS = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """An exchange and what it shows."""

    exchange: Exchange
    judgement: Judgement


@dataclass(slots=True)
class Outcome:
    """Everything that was asked, in order. ``stopped`` says why the rest was not."""

    answered: list[Answered] = field(default_factory=list)
    calls: int = 0
    stopped: str = ""
    fruitless: bool = False
    """Whether no account was read."""

    @property
    def transcript(self) -> dict[str, Exchange]:
        """The last answer of each kind, refusals too."""
        return {each.exchange.kind: each.exchange for each in self.answered}


def judged(probe: PlatformProbe, exchange: Exchange) -> Judgement:
    """The platform's verdict on an answer, whatever the answer is."""
    try:
        return probe.judge(exchange)
    except Exception as error:  # noqa: BLE001 - a stranger's answer is worth a report, not a traceback
        return stumbled(error)


class _CallsUsedUp(Exception):
    """The probe has made as many calls as it may."""


def hold(probe: PlatformProbe, asker: Asker, subject: Subject, slot: CallSlot, sleep: Callable[[float], None]) -> Outcome:
    """Ask everything once. Ends early when the calls are used up, or an answer says that no other would come."""
    outcome = Outcome()

    def counted() -> None:
        if outcome.calls >= MOST_CALLS:
            raise _CallsUsedUp
        slot()
        outcome.calls += 1

    conversation = probe.converse(subject)
    try:
        step = next(conversation)
        while True:
            if isinstance(step, Pause):
                sleep(step.seconds)
                step = next(conversation)
                continue
            exchange = asker.ask(step, counted)
            judgement = judged(probe, exchange)
            outcome.answered.append(Answered(exchange=exchange, judgement=judgement))
            if judgement.stops:
                outcome.stopped = f"no other request would be answered: {judgement.words}"
                break
            step = conversation.send(exchange)
    except StopIteration as end:
        outcome.stopped, outcome.fruitless = end.value or "", end.value is not None
    except _CallsUsedUp:
        outcome.stopped = f"the {MOST_CALLS} calls of a probe are used up"
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        outcome.stopped = f"what to ask next cannot be told from an answer ({type(error).__name__})"
    except RateLimited:  # of our own ledger: a platform's throttle is an answer
        outcome.stopped = "the calls that adpulse may make are used up for now"
    return outcome
