"""Weeks of an installation's life in minutes: the clock jumps between bursts of syncs, platforms fail, processes are killed."""

import time
from bisect import bisect_left
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from random import Random

from kills.workers import Installed

from adpulse.errors import AdpulseError
from adpulse.model import ConnectionStatus, RunState

ACCOUNTS = {
    "Corner Store 1": "realtime",
    "Corner Store 2": "5min",
    "Corner Store 3": "hourly",
    "Corner Store 4": "daily",
    "Corner Store 5": "manual",
    "Side Street 1": "realtime",
    "Side Street 2": "hourly",
    "Side Street 3": "manual",
}
"""Eight accounts of both platforms, five of one person and three of another, and how often each is synced."""

FAULTS = (
    {"action": "throttle", "minutes": 9, "count": 1},
    {"action": "throttle", "platform": "meta", "code": 4, "minutes": 3, "count": 1},
    {"action": "throttle", "platform": "google", "scope": "DEVELOPER", "minutes": 3, "count": 1},
    {"action": "transient", "count": 4},
    {"action": "server_error", "count": 3},
    {"action": "server_error", "kind": "insights"},
    {"action": "server_error", "platform": "google", "resource": "campaign"},
    {"action": "drop", "count": 2},
    {"action": "drop_midway", "count": 3},
    {"action": "truncated", "platform": "meta", "count": 1},
    {"action": "html", "platform": "meta", "count": 2},
    {"action": "html_success", "platform": "meta", "count": 1},
    {"action": "no_error_body", "platform": "meta", "count": 1},
    {"action": "null_batch_item", "platform": "meta", "count": 1},
    {"action": "too_much_data", "above_days": 1, "count": 2},
    {"action": "oversized", "platform": "google", "count": 1},
    {"action": "job_fails", "platform": "meta", "count": 1},
    {"action": "duplicate_row", "count": 1},
    {"action": "slow", "seconds": 0.3, "count": 5},
    {"action": "expired_token", "count": 1},
    {"action": "revoked_token", "platform": "google", "kind": "token", "count": 1},
    {"action": "permission_lost", "count": 1},
    {"action": "checkpoint", "platform": "meta", "count": 1},
    {"action": "blocked", "platform": "meta", "count": 1},
)
"""Every kind that ends by itself or by what a person does; those that change an account's numbers for good have tests of their own."""

SYNCS, STORM = 3, 6
JUMP_HOURS = (2, 12)
CHECKED_EVERY = 6
IN_ANY = {"meta": {timedelta(hours=1): 180, timedelta(minutes=5): 50}, "google": {timedelta(hours=1): 180}}
"""The most calls of an account that may be counted within each of these windows."""


class Soaking(Installed):
    """``adpulse up`` with eight connections; everything that happens is drawn from one seed."""

    def __init__(self, home, sandbox, seed):
        super().__init__(home, sandbox)
        self._dice = Random(seed)
        self.happened = Counter()
        self.found = []

    def connect_all(self):
        """Connect the accounts of :data:`ACCOUNTS`, and let each have its first sync."""
        self.app.workspaces.grant_realtime(self.workspace.id)
        for name, frequency in ACCOUNTS.items():
            self.connect(name, frequency=frequency)
        self.sandbox.calls.clear()  # discovery is counted for the credential, not for an account
        self._ask_all()
        self.all_ended()

    def soak(self, days):
        """Live so many days of business time; every few bursts, and at the end, all is mended and checked."""
        began = self.sandbox.clock.now()
        while not self.found and (now := self.sandbox.clock.now()) < began + timedelta(days=days):
            self._burst()
            self.happened["bursts"] += 1
            if self.happened["bursts"] % CHECKED_EVERY == 0:
                self._check()
            print(f"{(now - began) / timedelta(days=1):5.1f} days: {dict(self.happened)}", flush=True)
        self._check()

    def _burst(self):
        """Hours later: faults, some syncs of everything one after the other, perhaps a kill in the midst of them."""
        self.sandbox.clock.advance(self._dice.randint(*(hours * 3600 for hours in JUMP_HOURS)))
        self._fail(self._dice.randint(0, 3))
        killed = self._dice.randrange(SYNCS) if self._dice.random() < 0.3 else None
        for number in range(SYNCS):
            for _ in range(STORM if self._dice.random() < 0.2 else 1):
                self._ask_all()
            if number == killed:
                self._kill()
            self.all_ended()
            self.happened["syncs"] += len(ACCOUNTS)
            self.sandbox.clock.advance(self._dice.randint(30, 900))
        if self._dice.random() < 0.5:
            self._mend()

    def _ask_all(self):
        for view in self.app.connections.all():
            with suppress(AdpulseError):  # one that lost its token is not synced
                self.ask(view.connection, force=self._dice.random() < 0.1)

    def _fail(self, count):
        for fault in self._dice.sample(FAULTS, count):
            whose = {"account": self._dice.choice(self.app.connections.all()).connection.external_id} if self._dice.random() < 0.7 else {}
            self.sandbox.faults.add([fault | whose])
            self.happened["faults"] += 1

    def _kill(self):
        """Worker and server, at some moment of what they do; then they are started again."""
        time.sleep(self._dice.uniform(0, 2))
        self.note_all()
        self.kill_both()
        self.start()
        self.happened["kills"] += 1

    def _mend(self):
        """The platforms recover, and people resume or reconnect what stopped."""
        self.sandbox.faults.clear()
        for view in self.app.connections.all():
            if view.connection.status is not ConnectionStatus.ACTIVE:
                self.mend(view.connection)
                self.happened["mended"] += 1

    def _check(self):
        """Everything is read once more; then nothing is open and all that must hold holds."""
        self._mend()
        self.sandbox.clock.advance(3600)
        for view in self.app.connections.all():
            self.ask(view.connection, force=True)
        self.all_ended()
        self.until(lambda: not self.alive(), told=self.told)
        self.found += [*self.breaches(), *self._overcrowded(), *self._not_done()]
        self.happened["checks"] += 1

    def _not_done(self):
        newest = [self.app.runs.history(view.connection.id, 1)[0] for view in self.app.connections.all()]
        return [f"run {run.id} ended as {run.state}: {run.error}" for run in newest if run.state is not RunState.DONE]

    def _overcrowded(self):
        """Windows with more slots of an account than the limits allow; that each call has its slot is among the breaches.

        Not by the platform's log: a call may be under way when the clock jumps.
        """
        found = []
        for account in [view.connection for view in self.app.connections.all()]:
            taken = sorted(at for key, at in self.slots() if key == account.ledger_key)
            for window, limit in IN_ANY[account.provider].items():
                most = max((n - bisect_left(taken, at - window) + 1 for n, at in enumerate(taken)), default=0)
                found += [f"{account.name}: {most} calls within {window}, {limit} are allowed"] if most > limit else []
        return found
