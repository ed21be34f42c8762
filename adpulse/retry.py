"""Retries: their number and the pauses between them. Pure. Steps: fetch (a call), telemetry (a connection's syncs), webhooks."""

from random import Random

TRIES = 3
"""Attempts at one platform call, including the first; each one counts against the account's hour."""

DEAD_AFTER = 18
"""Failed syncs of a connection in a row, about two hours of retries, that make a dead letter."""

DELIVERIES = 30
"""Attempts to deliver a webhook's message, including the first: about a day."""

LONGEST_BACKOFF = 3600.0
"""Longest pause in seconds between two attempts, and the pause after a dead letter."""

LONGEST_OUTAGE_BACKOFF = 480.0
"""Longest pause of syncs with an error that may pass: numbers are fresh within ten minutes after the platform is back."""

LONGEST_WARNING_BACKOFF = 6 * 3600.0
"""The same for reads whose failure is only a warning: the numbers do not wait for them."""

_FIRST_BACKOFF, _JITTER = 60.0, 0.1
_FIRST_COOLDOWN, _LONGEST_COOLDOWN = 60.0, 900.0


def call_backoff(attempt: int, rng: Random) -> float:
    """Seconds before the next attempt at a call: 0.5, 1, 2 …, each shortened by a random part of up to half.

    The jitter keeps many workers from retrying at the same instant.
    """
    return 0.5 * 2.0 ** (attempt - 1) * (0.5 + rng.random() / 2)


def backoff(failures: int, rng: Random, longest: float = LONGEST_BACKOFF) -> float:
    """Seconds before the next attempt at a sync or a delivery: 60 s doubling up to ``longest``, each lengthened by up to a tenth.

    The jitter spreads the load on a platform or a receiver that has just come back.
    """
    # The exponent is bounded, because 2.0 ** failures overflows for a connection that fails for years.
    doubled = _FIRST_BACKOFF * 2.0 ** min(max(failures - 1, 0), 10)
    return min(doubled, longest / (1 + _JITTER)) * (1 + _JITTER * rng.random())


def cooldown(throttles: int) -> float:
    """Seconds for which an account rests when the platform throttles it without naming a time: 60 s doubling to 15 minutes.

    ``throttles`` is the number of throttles in a row before this one.
    """
    return min(_FIRST_COOLDOWN * 2.0 ** min(throttles, 10), _LONGEST_COOLDOWN)
