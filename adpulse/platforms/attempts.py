"""Tries a platform call again when it failed in a way that passes. Step: fetch."""

import logging
from collections.abc import Callable
from random import Random
from typing import TypeVar

from adpulse.errors import Unavailable
from adpulse.platforms.base import CallSlot
from adpulse.retry import TRIES, call_backoff

log = logging.getLogger(__name__)
Answer = TypeVar("Answer")


class Attempts:
    """Waits between attempts with ``sleep``, each time longer and with jitter."""

    def __init__(self, sleep: Callable[[float], None], rng: Random) -> None:
        self._sleep = sleep
        self._rng = rng

    def make(self, call: Callable[[], Answer], before: CallSlot, about: str) -> Answer:
        """Make a call at most ``TRIES`` times; ``before`` takes the slot of each attempt.

        Raises:
            whatever ``before`` raises, and of the call the first error that does not pass or the last that does.
        """
        for attempt in range(1, TRIES + 1):
            before()
            try:
                return call()
            except Unavailable as error:
                if attempt == TRIES:
                    raise
                pause = call_backoff(attempt, self._rng)
                seconds = round(pause, 1)
                log.info("attempt %s of %s for %s failed (%s): %s The next is in %s s.", attempt, TRIES, about, error.code, error, seconds)
            self._sleep(pause)
        raise AssertionError("unreachable: the last attempt returns or raises")
