"""The end of a process that uses Prefect: what it still has to send to the server has seconds, not for ever."""

from prefect._internal.concurrency import services
from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker

_SECONDS = 2.0


def flush() -> None:
    """Send the logs and events that wait, two seconds for each kind, and give up the rest.

    At exit Prefect waits for each of its queues without a limit (``_QueueServiceBase._at_exit``, 3.8.8): a server that accepts
    connections and does not answer would keep the process for as long as that lasts.
    """
    for service in (APILogWorker, EventsWorker):
        service.drain_all(timeout=_SECONDS)
    for queue in list(services._active_services):  # noqa: SLF001 - nothing public ends a queue that still has to send
        loop, done = queue._loop, queue._done_event  # noqa: SLF001 - as above
        if loop and done:
            loop.call_soon_threadsafe(done.set)
