"""Working sizes in memory, for clients without a control plane."""

from datetime import UTC, datetime

from adpulse.ladder import grown


class SizesInMemory:
    """As the control plane's; ``now`` is what a test sets it to."""

    def __init__(self):
        self.now = datetime(2026, 3, 20, tzinfo=UTC)
        self._noted = {}

    def current(self, account, part, full):
        size, at = self._noted.get((account, part), (full, self.now))
        return grown(size, full, self.now - at)

    def note(self, account, part, size):
        self._noted[account, part] = size, self.now
