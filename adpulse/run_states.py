"""The legal transitions between the states of a sync run. Pure. Step: telemetry."""

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
"""The states that may follow each state; docs/architecture.md draws the usual moves.

To queued: the lease was given back, or the sync was requested again. From a claimed state to leased: the lease ran out and the run was
adopted. To the same state: a step was retried. From leased to applied: a part of the plan was read before an error, and is stored.
From a state without a lease to dead: the connection was disconnected, or too many of its claims ended unsettled.
"""
