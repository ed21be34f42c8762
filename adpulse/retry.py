"""How long to wait before trying again. Pure. Steps: fetch (within a call), telemetry (between a connection's syncs)."""

from random import Random

TRIES = 3
"""Attempts at one platform call, the first included; each is counted against the account's hour."""

_FIRST, _LONGEST = 60.0, 3600.0


def call_backoff(attempt: int, rng: Random) -> float:
    """Seconds before the next attempt at a call: about 0.5, 1, 2 …, each anywhere from half to all of it.

    The jitter keeps many workers from coming back in the same instant.
    """
    return 0.5 * 2.0 ** (attempt - 1) * (0.5 + rng.random() / 2)


def connection_backoff(failures: int) -> float:
    """Seconds before a failed connection is synced again: 60 s doubling to an hour."""
    return min(_FIRST * 2.0 ** max(failures - 1, 0), _LONGEST)
