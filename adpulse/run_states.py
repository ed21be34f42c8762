"""Which state of a sync run may follow which. Pure. Step: telemetry."""

from adpulse.model import RunState

_ENDS = (RunState.DONE, RunState.POSTPONED, RunState.FAILED, RunState.DEAD, RunState.QUEUED, RunState.LEASED)
LEGAL_MOVES: dict[RunState, frozenset[RunState]] = {
    RunState.QUEUED: frozenset({RunState.LEASED, RunState.DEAD}),
    RunState.LEASED: frozenset({RunState.FETCHED, RunState.APPLIED, *_ENDS}),
    RunState.FETCHED: frozenset({RunState.FETCHED, RunState.APPLIED, *_ENDS}),
    RunState.APPLIED: frozenset({RunState.APPLIED, *_ENDS}),
    RunState.POSTPONED: frozenset({RunState.LEASED, RunState.QUEUED, RunState.DEAD}),
    RunState.FAILED: frozenset({RunState.LEASED, RunState.QUEUED, RunState.DEAD}),
    RunState.DONE: frozenset(),
    RunState.DEAD: frozenset(),
}
"""Which state may follow which; docs/architecture.md draws the usual moves.

Back to queued: the lease was given back, or somebody asked again. Leased again: it ran out and was adopted. The same again: a
step was tried again. From leased to applied: a part of the plan was read before an error, and is stored. Dead without a
lease: the connection was disconnected, or its claims ended unsettled too often.
"""
