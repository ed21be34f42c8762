"""Flushes Prefect's logs and events at the end of a process, within seconds."""

from prefect._internal.concurrency import services
from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker

_SECONDS = 2.0


def flush() -> None:
    """Send waiting logs and events for at most two seconds each, and drop the rest.

    At exit Prefect waits for each of its queues without a limit (``_QueueServiceBase._at_exit``, 3.9.1): a server that accepts
    connections and does not answer would keep the process from ending.
    """
    for service in (APILogWorker, EventsWorker):
        service.drain_all(timeout=_SECONDS)
    for queue in list(services._active_services):  # noqa: SLF001 - no public function stops a queue that is not empty
        loop, done = queue._loop, queue._done_event  # noqa: SLF001 - as above
        if loop and done:
            loop.call_soon_threadsafe(done.set)
