"""Attribution windows: how many of an ad's conversions of a day each window counts.

What an action reports as its ``value`` is the count of the ad set's own setting, which is the sum of that setting's windows; a window
outside the setting counts its own, and a longer click window counts what a shorter one does and more. Windows of an action stand beside
``value`` under their names (Meta's reference page "Ads Action Stats"). Which share falls into which window is made up.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from adpulse_sandbox.meta.world import Account

Ints = npt.NDArray[np.int64]

CLICKS = ("1d_click", "7d_click", "28d_click")
VIEW, ENGAGED_VIEW = "1d_view", "1d_ev"
SERVED = (*CLICKS, VIEW, ENGAGED_VIEW)
"""The windows that still exist: Meta returns ``7d_view`` and ``28d_view`` no longer since 2026-01-12 (blog of 2025-10-16)."""

_WEEK = 7


@lru_cache(maxsize=256)
def _settings(account: Account) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """For each ad whether its own setting counts 7 days after a click, and whether it counts views."""
    settings = [dict((kind, days) for days, kind in ad.setting) for ad in account.ads]  # noqa: C402 - the order of each pair is reversed
    weekly = np.array([setting["CLICK_THROUGH"] == _WEEK for setting in settings])
    return weekly, np.array(["VIEW_THROUGH" in setting for setting in settings])


def count_conversions(own: Ints, account: Account, windows: Sequence[str]) -> Ints:
    """Conversions of each ad in these windows together, from those of its own setting."""
    weekly, with_views = _settings(account)
    clicks = own - with_views * (own // 5)
    counts = {
        "1d_click": np.where(weekly, clicks - clicks // 4, clicks),
        "7d_click": np.where(weekly, clicks, clicks + (clicks + 1) // 3),
        "28d_click": clicks + (clicks + 1) // 2,
        VIEW: np.where(with_views, own // 5, (own + 5) // 10),
        ENGAGED_VIEW: (own + 3) // 6,
    }
    return sum((counts[window] for window in windows if window in SERVED), np.zeros_like(own))


def count_arrivals(own: Ints, windows: Sequence[str]) -> Ints:
    """What happens at once after a click, such as a view of the landing page: every click window counts all of it, no other any."""
    return own * sum(window in CLICKS for window in windows)
