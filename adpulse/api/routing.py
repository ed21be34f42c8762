"""Routes whose functions may wait for the database: each runs in a thread, and nothing else of its request does."""

from collections.abc import Callable
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any

from fastapi import APIRouter
from fastapi.concurrency import run_in_threadpool
from fastapi.routing import APIRoute


class _OneThread(APIRoute):
    """FastAPI would take a second thread to look at the answer: under load each change of threads costs more than that."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint if iscoroutinefunction(endpoint) else _threaded(endpoint), **options)


def router(tag: str, **options: Any) -> APIRouter:
    """A router of such routes."""
    return APIRouter(tags=[tag], route_class=_OneThread, **options)


def _threaded(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(endpoint)
    async def run(**arguments: Any) -> Any:  # noqa: ANN401 - whatever the route takes and answers
        return await run_in_threadpool(endpoint, **arguments)

    return run
