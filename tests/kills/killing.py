"""Kills the program of :mod:`kills.pipeline` with SIGKILL, again and again, and looks at what is left."""

import json
import os
import pickle
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from datetime import time as midnight
from functools import lru_cache
from pathlib import Path
from random import Random

import duckdb
from installation import Installation
from kills import invariants
from kills.steps import PROVEN, Step

from adpulse.frequency import Frequency
from adpulse.model import ON_DEMAND_LANES
from adpulse.platforms.registry import PLATFORMS
from adpulse_sandbox.remote import Remote

PACKET = 65536
READY_SECONDS = 120
MESSAGE_SECONDS = 120
TESTS = Path(__file__).parent.parent
ACCOUNTS = {"Sakura Tea": "5min", "Corner Store 1": "realtime", "Alpenglow Reisen": "5min"}
ROWS_IN_MESSAGE = 30
"""Of Google's streams, so that there are some messages in each."""

FIRST_PAGES, PAGES = 200, (10, 30, 30)
ROUNDS_TO_AIM = 6
SEVERAL = 3


@dataclass(frozen=True, kw_only=True)
class Aim:
    """When to kill: at the ``nth`` time that ``step`` is told, and then ``wait`` seconds later (None: exactly there)."""

    step: Step
    nth: int
    wait: float | None


@dataclass(frozen=True, kw_only=True)
class Kill:
    """One kill: what was aimed at, and the last that the program told before it was dead."""

    number: int
    aim: Aim
    step: Step
    doing: str

    def __str__(self):
        how = "exactly" if self.aim.wait is None else f"{self.aim.wait * 1000:.0f} ms after"
        return f"{self.number:4d}  {self.step:32s}{self.doing:60s}  {how} {self.aim.step} no. {self.aim.nth}"


class Child:
    """A forked program: obeys one command at a time and tells every step."""

    def __init__(self, channel, pid):
        self._channel = channel
        self.pid = pid

    def obey(self, command):
        self._channel.send(json.dumps(command).encode())

    def told(self, seconds=MESSAGE_SECONDS):
        """The next message; None when there is none in time."""
        self._channel.settimeout(max(seconds, 0.0001))
        try:
            packet = self._channel.recv(PACKET)
        except TimeoutError:
            return None
        if not packet:
            raise AssertionError("the program ended by itself")
        return json.loads(packet)

    def go_on(self):
        self._channel.send(b"go on")

    def run(self, command):
        """Let it obey to the end."""
        self.obey(command)
        while (message := self.told()) is not None:
            if message["doing"] == "done":
                return
            if message["waits"]:
                self.go_on()
        raise AssertionError(f"the program told nothing for {MESSAGE_SECONDS} s")

    def kill(self):
        """SIGKILL; what it told that nobody had read yet."""
        os.kill(self.pid, signal.SIGKILL)
        self._channel.settimeout(MESSAGE_SECONDS)
        unread = []
        with suppress(ConnectionResetError):  # it died before it had read what it was told
            while packet := self._channel.recv(PACKET):
                unread.append(json.loads(packet))
        self._channel.close()
        return unread


class Remembered(Remote):
    """The truth is a pure function of the question, and most of what a check asks the one before asked too."""

    truth_metrics = lru_cache(maxsize=2000)(Remote.truth_metrics)
    truth_totals = lru_cache(maxsize=2000)(Remote.truth_totals)
    truth_account = lru_cache(maxsize=2000)(Remote.truth_account)
    truth_entities = lru_cache(maxsize=2000)(Remote.truth_entities)


class Killing(Installation):
    """An installation whose syncs run in a process that is killed in every round."""

    def __init__(self, home, sandbox, seed, accounts=ACCOUNTS):
        super().__init__(home, sandbox)
        self.accounts = accounts
        self._ticks = []
        self.seed = seed
        self.dice = Random(seed)
        self.kills = []
        self.breaches = {}
        self.remote = Remembered(sandbox.control_url)
        self._home = home
        self._noted = home / "notes.pickle"
        self._read = 0
        self._pending = []
        self._owners = []
        self._started = 0
        self._deck, self.reached = [], set()
        self._server = self._control = None

    def __enter__(self):
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control.settimeout(READY_SECONDS)
        environment = os.environ | {
            "PYTHONPATH": str(TESTS),
            "PREFECT_HOME": str(self._home / "prefect"),
            "OPENBLAS_NUM_THREADS": "1",
            "GRPC_VERBOSITY": "ERROR",
        }
        with (self._home / "program.log").open("wb") as log:
            self._server = subprocess.Popen(
                [sys.executable, "-m", "kills.pipeline", str(theirs.fileno())],
                env=environment,
                pass_fds=(theirs.fileno(),),
                stdout=log,
                stderr=log,
            )
        theirs.close()
        self.app.workspaces.grant_realtime(self.workspace.id)
        for name, frequency in self.accounts.items():
            self.connect(name, frequency=frequency)
        self._ticks = sorted(self._groups() | {(provider, None) for provider in PLATFORMS}, key=str)
        self.sandbox.calls.clear()  # discovery is counted for the credential, not for an account
        return self

    def _groups(self):
        """Provider and frequency of every scheduled group that has a connection."""
        connections = [view.connection for view in self.app.connections.all()]
        return {(each.provider, each.frequency) for each in connections if each.frequency is not Frequency.MANUAL}

    def __exit__(self, *_):
        self._control.close()
        self._server.wait(timeout=60)
        self.close()

    def kill_many(self, count, *, checked_every):
        """Kill so often; every so many rounds let the next program recover undisturbed and check everything, and always at the end."""
        print(f"seed {self.seed}")
        for number in range(1, count + 1):
            self._round(number, checked=number > 1 and number % checked_every == 0)
        child = self._fork()
        self._recover(child)
        self._finish(child)
        child.kill()
        self._reaped()

    def _round(self, number, *, checked):
        child = self._fork()
        if checked:
            self._recover(child)
        kill = self._struck(child, number, self._commands(settled=checked))
        self._reaped()
        self.kills.append(kill)
        print(kill, flush=True)
        self.look(self._cheap())

    def _fork(self):
        mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._started += 1
        owner = f"program-{self._started}"
        page = str(self.dice.choice(PAGES) if self.kills else FIRST_PAGES)
        environment = {"ADPULSE_META_PAGE_SIZE": page, "ADPULSE_META_LARGEST_PAGE": page}
        told = {"owner": owner, "notes": str(self._noted), "environment": environment}
        socket.send_fds(self._control, [json.dumps(told).encode()], [theirs.fileno()])
        theirs.close()
        pid = json.loads(self._control.recv(PACKET))
        predecessors, self._owners = self._owners, [*self._owners, owner]
        child = Child(mine, pid)
        child.predecessors = predecessors
        return child

    def _settled(self, child):
        """The owners before this child hold nothing any more."""
        self._owners = [each for each in self._owners if each not in child.predecessors]

    def _reaped(self):
        self._control.send(b"reap")
        status = json.loads(self._control.recv(PACKET))
        assert os.WIFSIGNALED(status), f"the program ended by itself:\n{self.log()}"
        assert os.WTERMSIG(status) == signal.SIGKILL

    def log(self):
        """The end of what the programs logged."""
        return (self._home / "program.log").read_text(errors="replace")[-6000:]

    def _commands(self, *, settled):
        """What a worker does: settle what its predecessor left, then tick after tick while the world moves on."""
        if not settled:
            yield {"settle": None}
        for _ in range(ROUNDS_TO_AIM):
            self.move_on()
            for tick in self.dice.sample(self._ticks, len(self._ticks)):
                yield _ticking(*tick)

    def _struck(self, child, number, commands):
        aim = self._aim()
        seen, deadline, last = 0, None, {"step": Step.BETWEEN, "doing": "started"}
        for command in commands:
            child.obey({"settle": child.predecessors} if "settle" in command else command)
            ended = False
            while not ended:
                message = child.told(MESSAGE_SECONDS if deadline is None else deadline - time.monotonic())
                if message is None:
                    assert deadline is not None, f"the program told nothing for {MESSAGE_SECONDS} s:\n{self.log()}"
                    return self._killed(child, number, aim, last)
                last, ended = message, message["doing"] == "done"
                self.reached.add(message["step"])
                seen += message["step"] == aim.step
                if deadline is None and seen == aim.nth and message["step"] == aim.step:
                    if aim.wait is None:
                        return self._killed(child, number, aim, last)
                    deadline = time.monotonic() + aim.wait
                if message["waits"]:
                    child.go_on()
            if "settle" in command:
                self._settled(child)
        return self._killed(child, number, aim, last)

    @staticmethod
    def _killed(child, number, aim, last):
        unread = child.kill()
        if aim.wait is not None and unread:
            last = unread[-1]
        return Kill(number=number, aim=aim, step=Step(last["step"]), doing=last["doing"])

    def _aim(self):
        """Every step has the same chance, however short it is; every other kill comes at a random instant after one."""
        if not self._deck:
            self._deck = self.dice.sample(list(Step), len(Step))
        step = self._deck.pop()
        often = step in (Step.SLOT, Step.PAGE, Step.STAGED)
        wait = self.dice.expovariate(1 / 0.03) if self.dice.random() < 0.5 else None
        return Aim(step=step, nth=self.dice.randint(1, 12 if often else 4), wait=wait)

    def move_on(self):
        """Time passes, sometimes into the next local day, and people ask for syncs."""
        now = self.sandbox.clock.now()
        if self.dice.random() < 0.1:
            zone = self.dice.choice(self.app.connections.all()).connection.zone
            tomorrow = datetime.combine(now.astimezone(zone).date() + timedelta(days=1), midnight(), zone)
            self.sandbox.clock.set(tomorrow.astimezone(UTC) + timedelta(seconds=self.dice.randint(1, 1200)))
        else:
            self.sandbox.clock.advance(self.dice.randint(30, 40 * 60))
        for name in self.accounts:
            if self.dice.random() < 0.3:
                forced = name != "Sakura Tea" and self.dice.random() < 0.5  # a lookback of sixty ads would take a while
                self.app.runs.request(self.app.connections.get(name).connection.id, force=forced)

    def _recover(self, child, *, force=False):
        """The tick after the kill, undisturbed: it has to sync every connection and leave nothing to do."""
        self.sandbox.clock.advance(self.dice.randint(330, 1800))  # every group is due
        for name, frequency in self.accounts.items():
            if force or frequency == "manual":
                self.app.runs.request(self.app.connections.get(name).connection.id, force=force)
        self._tick_until_idle(child)
        self.look(self._full())

    def _tick_until_idle(self, child):
        child.run({"settle": child.predecessors})
        self._settled(child)
        for _ in range(60):
            for tick in self._ticks:
                child.run(_ticking(*tick))
            if not any(self.app.leases.waiting(provider, lane) for provider in PLATFORMS for lane in ON_DEMAND_LANES):
                return
        raise AssertionError(f"there is always something left to do:\n{self.log()}")

    def _finish(self, child):
        """Everything is read once more, and what is postponed gets its time: then no run at all is open."""
        self._recover(child, force=True)
        for _ in range(100):
            open_until = [view.postponed_until for view in self.app.connections.all() if view.postponed_until]
            if not open_until:
                break
            self.advance_to(min(open_until))
            self._tick_until_idle(child)
        else:
            raise AssertionError("postponed runs are postponed for ever")
        self._take_notes()
        with invariants.opened(self.live(), self.published()) as files:
            self.look(
                [
                    *invariants.doubled_keys(files),
                    *invariants.telemetry_apart_from_warehouse(self, files),
                    *invariants.untrue(self),
                    *invariants.apart_from_history(self),
                ]
            )

    def live(self):
        """The live warehouse; opened only while no program has it open."""
        return self._home / "warehouse" / f"{self.workspace.id}.duckdb"

    def slots(self):
        """Account and instant of every call that was counted; nobody prunes the ledger here."""
        return [(key, at) for _, key, at in invariants.slots_of(self.engine)]

    def _cheap(self):
        self._take_notes()
        with invariants.opened(self.live(), self.published()) as files:
            return [*invariants.doubled_keys(files), *invariants.calls_without_slot(self)]

    def _full(self):
        self._take_notes()
        with invariants.opened(self.live(), self.published()) as files:
            return [
                *invariants.unsettled(self, self.sandbox.clock.now()),
                *invariants.doubled_keys(files),
                *invariants.calls_without_slot(self),
                *invariants.telemetry_apart_from_warehouse(self, files),
                *invariants.history_apart_from_present(files),
                *invariants.different(files),
                *invariants.untrue(self),
            ]

    def _take_notes(self):
        """When each part was read: as the programs noted it leg by leg, and as the control plane has it now.

        What was about to be stored counts where the warehouse has it.
        """
        if self._noted.exists():
            with self._noted.open("rb") as file:
                file.seek(self._read)
                while noted := _unpickled(file):
                    self._pending.append(noted)
                    self._read = file.tell()
        stored = self._stored_runs() if self._pending else set()
        for connection_id, ages, run in self._pending:
            if run is None or run in stored:
                self._note(connection_id, ages)
        self._pending = [noted for noted in self._pending if noted[2] is not None and noted[2] not in stored]
        for view in self.app.connections.all():
            self._note(view.connection.id, self.app.partitions.ages(view.connection.id))

    def _stored_runs(self):
        if not self.live().exists():
            return set()
        with duckdb.connect(self.live(), read_only=True) as file:
            return set(file.execute("SELECT run_id, generation FROM raw.sync_runs").fetchall())

    def _note(self, connection_id, ages):
        notes = self.notes.setdefault(connection_id, [])
        if not notes or notes[-1] != ages:
            notes.append(ages)

    def look(self, breaches):
        """Keep every breach with the kill it was first seen after."""
        for breach in breaches:
            if breach not in self.breaches:
                self.breaches[breach] = self.kills[-1] if self.kills else None
                print(f"      BREACH {breach}", flush=True)

    def report(self):
        """How often each step was struck, exactly or by chance, and every breach."""
        struck = Counter((kill.step, kill.aim.wait is None) for kill in self.kills)
        lines = [f"{'step':32s}{'exactly':>9s}{'by chance':>11s}"]
        lines += [f"{step:32s}{struck[step, True]:9d}{struck[step, False]:11d}" for step in Step]
        lines += [f"after {kill}: {breach}" for breach, kill in self.breaches.items()]
        return "\n".join(lines)

    def rarely_struck(self, times):
        """Steps that must be proven and were struck less often than this."""
        struck = Counter(kill.step for kill in self.kills)
        return {step.value: struck[step] for step in PROVEN if struck[step] < times}


def _ticking(provider, frequency):
    return {"provider": provider, "tick": frequency}


def _unpickled(file):
    try:
        return pickle.load(file)  # noqa: S301 - written by our own program
    except (EOFError, pickle.UnpicklingError):
        return None
