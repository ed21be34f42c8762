"""Where a sync can be when its process is killed: what the killed program tells and the killer aims at."""

from enum import StrEnum


class Step(StrEnum):
    """The steps of a sync, in order."""

    BETWEEN = "between"
    PLANNED = "planned"
    SLOT = "slot taken"
    PAGE = "mid-page"
    STAGED = "staged"
    WRITING = "inside the DuckDB transaction"
    COMMITTED = "committed before telemetry"
    PUBLISHING = "publishing"
    SETTLING = "settling"


PROVEN = (Step.SLOT, Step.PAGE, Step.STAGED, Step.WRITING, Step.COMMITTED, Step.PUBLISHING)
"""Where a kill hurts most; the long test fails unless each was struck several times."""
