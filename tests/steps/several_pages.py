"""An installation beside a sandbox whose account ``Corner Store 1`` has several pages of ads."""

from contextlib import contextmanager

from installation import Installation

from adpulse_sandbox import Sandbox
from adpulse_sandbox.meta.graph import Options


@contextmanager
def installation_of_pages(home, *, page, campaigns, calls_per_hour):
    """It has 150 ads, on pages of so many rows, and one of so many campaigns moves a minute."""
    with Sandbox.start(extra=1, extra_ads=(150,), refresh_seconds=60, meta=Options(turns=campaigns)) as sandbox:
        sizes = dict.fromkeys(("ADPULSE_META_PAGE_SIZE", "ADPULSE_META_LARGEST_PAGE"), str(page))
        made = Installation(home, sandbox, ADPULSE_CALLS_PER_HOUR=str(calls_per_hour), **sizes)
        yield made
        made.close()
