"""The program that gets killed: the body of the sync flows without Prefect, which tells where it is and waits to be let on.

A fork server: it imports everything once, then forks a child per round while there is neither a thread, nor an open
database, nor a channel of gRPC: none of them survives a fork. Nothing in the product knows of it; the product's own
functions are wrapped from outside. Every message is one packet.
"""

import asyncio
import json
import os
import pickle
import random
import socket
import sys
import threading
from contextlib import contextmanager
from functools import wraps
from importlib import import_module
from pathlib import Path

from kills.steps import Step
from prefect import Task
from sqlalchemy import Engine, event

import flows.sync
from adpulse import bootstrap
from adpulse.frequency import Frequency
from adpulse.model import Provider
from adpulse.platforms.google import messages as google_messages
from adpulse.platforms.google.client import GoogleClient
from adpulse.platforms.google.settings import GoogleSettings
from adpulse.platforms.meta.client import MetaClient
from storage.control.leases import Leases
from storage.control.ledger import Ledger
from storage.staging import Staging
from storage.warehouse import analytics
from storage.warehouse.instance import Instance
from storage.warehouse.warehouse import Warehouse

PACKET = 65536
GOOGLE_VERSION = GoogleSettings.model_fields["version"].default


def serve(control):
    """Fork a child for every packet that brings a channel; tell how the last one ended for every packet that does not."""
    for name in ("google_ads_service", "customer_service"):  # a second for every child otherwise
        import_module(f"google.ads.googleads.{GOOGLE_VERSION}.services.services.{name}")
    google_messages.failure_reader(GOOGLE_VERSION)
    pid = 0
    while True:
        told, (*channels,), _, _ = socket.recv_fds(control, PACKET, 1)
        if not told:
            return
        if not channels:
            control.send(json.dumps(os.waitpid(pid, 0)[1]).encode())
            continue
        assert threading.active_count() == 1, "a fork copies one thread only"
        assert not _threads_of_grpc(), "a channel of gRPC does not survive a fork"
        pid = os.fork()
        if pid == 0:
            control.close()
            _work(socket.socket(fileno=channels[0]), json.loads(told))
        os.close(channels[0])
        control.send(json.dumps(pid).encode())


def _threads_of_grpc():
    """Importing it starts none, the first channel does."""
    names = [(task / "comm").read_text() for task in Path("/proc/self/task").iterdir()]
    return [name for name in names if name.startswith(("grpc", "event_engine"))]


def _work(channel, told):
    try:
        random.seed()
        os.environ.update(told["environment"])
        os.environ["PREFECT__FLOW_RUN_ID"] = told["owner"]  # what Prefect tells a flow of the run it is
        _obey(channel, Path(told["notes"]))
    finally:
        os._exit(1)  # never back into the fork server's loop


def _obey(channel, notes):
    marks = Marks(channel)
    mark_steps(marks, notes)
    context = bootstrap.app()
    while command := channel.recv(PACKET):
        told = json.loads(command)
        if "settle" in told:
            with marks.phase(Step.BETWEEN):
                settle_predecessors(context, told["settle"])
        else:
            frequency = told["tick"] and Frequency(told["tick"])
            for background in (False, True)[: 1 if frequency else 2]:
                request = flows.sync.Request(provider=Provider(told["provider"]), frequency=frequency, background=background)
                asyncio.run(flows.sync.sync(request))
        marks.passing(Step.BETWEEN, "done")


def settle_predecessors(context, owners):
    """What the worker does at its start for flow runs whose process is dead.

    Given back as if the processes had stopped: here so many die that every connection would be suspected of it.
    """
    for owner in owners:
        context.leases.release(context.runs.leases_of_owner(owner))


class Marks:
    """Tells the killer which step was reached; one thread at a time, the others go on until they reach theirs."""

    def __init__(self, channel):
        self._channel = channel
        self._lock = threading.Lock()
        self._local = threading.local()

    def reached(self, step, doing):
        """Tell, and wait until told to go on."""
        with self._lock:
            self._tell(step, doing, waits=True)
            if not self._channel.recv(16):
                os._exit(1)  # the killer is gone

    def passing(self, step, doing):
        """Tell, and go on at once: for what takes its time, such as a request that is with the platform."""
        with self._lock:
            self._tell(step, doing, waits=False)

    def _tell(self, step, doing, *, waits):
        self._channel.send(json.dumps({"step": step, "doing": doing, "waits": waits}).encode())

    @contextmanager
    def phase(self, step):
        """Whatever this thread commits to the control plane in the block belongs to ``step``."""
        self._local.step = step
        try:
            yield
        finally:
            self._local.step = None

    def committing(self, _session):
        """The control plane is about to commit."""
        if step := getattr(self._local, "step", None):
            self.reached(step, "before a commit of the control plane")


def mark_steps(marks, notes):
    """Wrap the product's functions, and take Prefect out of its flow."""
    for name, value in list(vars(flows.sync).items()):
        if isinstance(value, Task):
            setattr(flows.sync, name, value.fn)
    flows.sync.acreate_table_artifact = _nothing
    flows.sync.syncing.orchestrator.request_run = lambda *_: None  # the killer asks for the next tick
    event.listen(Engine, "commit", marks.committing)
    for owner, name in ((Leases, "claim_due"), (Leases, "claim_waiting")):
        _in_phase(marks, Step.BETWEEN, owner, name)
    _in_phase(marks, Step.SETTLING, flows.sync, "settle", after=lambda app, lease, *_: _note(app, lease.connection.id, notes))
    _after(marks, Step.PLANNED, Staging, "save_plan")
    _after(marks, Step.SLOT, Ledger, "take")
    _after(marks, Step.STAGED, Staging, "write")
    _after(marks, Step.STAGED, Staging, "write_changes")
    _after(marks, Step.COMMITTED, Warehouse, "apply", told=bool)
    _before(marks, Step.PUBLISHING, analytics, "publish")
    _before(marks, Step.PUBLISHING, analytics, "replace")
    _after(marks, Step.PUBLISHING, analytics, "replace")
    _around_calls(marks)
    _around_streams(marks)
    _noting_reads(notes)
    _watch_warehouses(marks)


async def _nothing(**_):
    pass


def _note(app, connection_id, notes, reads=(), run=None):
    """Keep when each part was read: what the comparison with the truth has to know, as an older read is overwritten by the next.

    ``run``: the id and generation with which it is stored, if it is.
    """
    with notes.open("ab", buffering=0) as file:
        file.write(pickle.dumps((connection_id, app.partitions.ages(connection_id).after(reads), run)))


def _noting_reads(notes):
    """Notes the reads of what is about to be applied: a worker killed before it settles may have stored them all the same."""
    apply = Warehouse.apply

    @wraps(apply)
    def noted(self, changes, **options):
        context, applied = bootstrap.app(), list(changes)
        for run in applied:
            reads = [each.complete for each in context.staging.read(run.run_id)]
            _note(context, run.connection_id, notes, reads, (run.run_id, run.generation))
        return apply(self, applied, **options)

    Warehouse.apply = noted


def _in_phase(marks, step, owner, name, after=lambda *_: None):
    original = getattr(owner, name)

    @wraps(original)
    def marked(*arguments, **options):
        with marks.phase(step):
            answer = original(*arguments, **options)
        after(*arguments)
        marks.reached(step, f"{name} returned")
        return answer

    setattr(owner, name, marked)


def _before(marks, step, owner, name):
    original = getattr(owner, name)

    @wraps(original)
    def marked(*arguments, **options):
        marks.reached(step, f"before {name}")
        return original(*arguments, **options)

    setattr(owner, name, marked)


def _after(marks, step, owner, name, told=lambda _: True):
    original = getattr(owner, name)

    @wraps(original)
    def marked(*arguments, **options):
        answer = original(*arguments, **options)
        if told(answer):
            marks.reached(step, f"{name} returned")
        return answer

    setattr(owner, name, marked)


def _around_calls(marks):
    """A request is on its way, or a page came that has a next one."""
    once, page = MetaClient._once, MetaClient._page

    def told_once(self, method, path, *rest):
        marks.passing(Step.PAGE, f"{method} {path} is with the platform")
        return once(self, method, path, *rest)

    def told_page(self, path, *rest):
        answer = page(self, path, *rest)
        if (answer.get("paging") or {}).get("next"):
            marks.reached(Step.PAGE, f"between two pages of {path}")
        return answer

    MetaClient._once, MetaClient._page = told_once, told_page


def _around_streams(marks):
    """A query is on its way, or one of the messages that answer it came and there are more."""
    stream, table = GoogleClient._stream, google_messages.Columns.table
    local = threading.local()

    def told_stream(self, customer, login, text, fields):
        local.messages = 0
        marks.passing(Step.PAGE, f"SearchStream {text.partition('FROM ')[2][:40]} is with the platform")
        return stream(self, customer, login, text, fields)

    def told_table(self, message):
        local.messages += 1
        if local.messages > 1:
            marks.reached(Step.PAGE, "between two messages of a stream")
        return table(self, message)

    GoogleClient._stream, google_messages.Columns.table = told_stream, told_table


def _watch_warehouses(marks):
    attached = Instance.attached

    @contextmanager
    def watched(self, path, *, read_only):
        with attached(self, path, read_only=read_only) as warehouse:
            yield warehouse if read_only else Watched(warehouse, marks)

    Instance.attached = watched


class Watched:
    """A connection to a warehouse that tells of its transactions."""

    def __init__(self, connection, marks):
        self._connection = connection
        self._marks = marks
        self._within = False
        self._stored = False

    def __getattr__(self, name):
        return getattr(self._connection, name)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return self._connection.__exit__(*error)

    def execute(self, statement, *rest):
        """As DuckDB does it."""
        if statement == "COMMIT":
            self._marks.reached(Step.WRITING, "before COMMIT")
        elif statement == "CHECKPOINT":
            self._marks.reached(Step.PUBLISHING, "before CHECKPOINT")
        elif self._within:
            self._marks.passing(Step.WRITING, statement.strip().splitlines()[-1])
        answer = self._connection.execute(statement, *rest)
        self._stored |= "INTO sync_runs" in statement
        if statement == "COMMIT" and self._stored:  # not that of a new file's schema
            self._marks.reached(Step.COMMITTED, "COMMIT returned, the file is open")
            self._stored = False
        self._within = statement not in ("COMMIT", "ROLLBACK") and (self._within or statement == "BEGIN")
        return answer


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
