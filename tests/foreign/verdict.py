"""What a run of a client must not leave: a difference, a refusal or a gap that nobody explained, and an explanation of nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from foreign.rig import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """Why a client is refused something, from ``refused.toml``: by its stream, and by what the sandbox does not serve; with ``*``."""

    streams: Mapping[str, str]
    gaps: Mapping[str, str]


def objections(outcomes: Sequence[Outcome], gaps: Sequence[str], listed: Listed) -> list[str]:
    """One sentence for each of them; none for a good run. ``gaps`` are the features that the sandbox counted as not served meanwhile."""
    refused = [outcome for outcome in outcomes if outcome.result == "refused"]
    in_own_words = {outcome.stream: outcome.says for outcome in refused if not any(gap in outcome.says for gap in gaps)}
    return [
        *(f"{outcome.stream} differs: {outcome.says}" for outcome in outcomes if outcome.result == "different"),
        *(f"{stream} is refused, and no reason is listed: {says}" for stream, says in in_own_words.items() if stream not in listed.streams),
        *(f"{stream} has a reason and is not refused" for stream in listed.streams.keys() - in_own_words.keys()),
        *(f"{gap} is not served, and no reason is listed" for gap in gaps if not any(fnmatchcase(gap, known) for known in listed.gaps)),
        *(f"{gap} is not served, and no refused stream says so" for gap in gaps if not any(gap in outcome.says for outcome in refused)),
    ]
