"""How long to wait before trying again. Pure. Steps: fetch (within a call), telemetry (between a connection's syncs)."""

from random import Random

TRIES = 3
"""Attempts at one platform call, the first included; each is counted against the account's hour."""

DEAD_AFTER = 8
"""Syncs of a connection that may fail in a row (about two hours of retries) before a person has to look: a dead letter."""

DELIVERIES = 30
"""Tries of a webhook's message, the first included: about a day."""

LONGEST_BACKOFF = 3600.0
_FIRST_BACKOFF = 60.0
_FIRST_COOLDOWN, _LONGEST_COOLDOWN = 60.0, 900.0


def call_backoff(attempt: int, rng: Random) -> float:
    """Seconds before the next attempt at a call: about 0.5, 1, 2 …, each anywhere from half to all of it.

    The jitter keeps many workers from coming back in the same instant.
    """
    return 0.5 * 2.0 ** (attempt - 1) * (0.5 + rng.random() / 2)


def connection_backoff(failures: int) -> float:
    """Seconds before a failed connection is synced again: 60 s doubling to an hour."""
    return min(_FIRST_BACKOFF * 2.0 ** min(max(failures - 1, 0), 10), LONGEST_BACKOFF)


def delivery_backoff(attempt: int, rng: Random) -> float:
    """Seconds before a message is sent again after so many tries: 60 s doubling to an hour, each a tenth longer at most.

    The jitter spreads what a receiver that was down has to take when it is back.
    """
    return connection_backoff(attempt) * (1 + rng.random() / 10)


def cooldown(throttles: int) -> float:
    """Seconds to leave an account alone whose platform throttles without saying how long: 60 s doubling to a quarter of an hour.

    ``throttles`` is how often it did so in a row before.
    """
    return min(_FIRST_COOLDOWN * 2.0 ** min(throttles, 10), _LONGEST_COOLDOWN)
