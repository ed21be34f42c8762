"""How long to wait before trying again. Pure. Steps: fetch (within a call), telemetry (between a connection's syncs), webhooks."""

from random import Random

TRIES = 3
"""Attempts at one platform call, the first included; each is counted against the account's hour."""

DEAD_AFTER = 18
"""Syncs of a connection that may fail in a row (about two hours of retries) before a person has to look: a dead letter."""

DELIVERIES = 30
"""Tries of a webhook's message, the first included: about a day."""

LONGEST_BACKOFF = 3600.0
LONGEST_OUTAGE_BACKOFF = 480.0
"""Longest pause of syncs that fail in a way that passes: numbers are fresh within ten minutes after the platform is back."""

LONGEST_WARNING_BACKOFF = 6 * 3600.0
"""Longest pause of what fails without stopping a connection's numbers: nobody waits for it."""

_FIRST_BACKOFF, _JITTER = 60.0, 0.1
_FIRST_COOLDOWN, _LONGEST_COOLDOWN = 60.0, 900.0


def call_backoff(attempt: int, rng: Random) -> float:
    """Seconds before the next attempt at a call: about 0.5, 1, 2 …, each anywhere from half to all of it.

    The jitter keeps many workers from coming back in the same instant.
    """
    return 0.5 * 2.0 ** (attempt - 1) * (0.5 + rng.random() / 2)


def backoff(failures: int, rng: Random, longest: float = LONGEST_BACKOFF) -> float:
    """Seconds before what failed is tried again: 60 s doubling to ``longest``, each up to a tenth longer.

    The jitter spreads what a platform or a receiver that was down has to take when it is back.
    """
    doubled = _FIRST_BACKOFF * 2.0 ** min(max(failures - 1, 0), 10)
    return min(doubled, longest / (1 + _JITTER)) * (1 + _JITTER * rng.random())


def cooldown(throttles: int) -> float:
    """Seconds to leave an account alone whose platform throttles without saying how long: 60 s doubling to a quarter of an hour.

    ``throttles`` is how often it did so in a row before.
    """
    return min(_FIRST_COOLDOWN * 2.0 ** min(throttles, 10), _LONGEST_COOLDOWN)
