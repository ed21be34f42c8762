"""Routes whose functions may wait for the database: each runs in a thread, of which there are a few.

FastAPI would use another thread to serialise the answer, and up to forty under load. All of them wait for the interpreter's lock, so
more threads only cost: with forty, a list of 50 connections took three times the CPU time that it takes with four (see ``bench/api.py``).
"""

from collections.abc import Callable
from functools import partial, wraps
from inspect import iscoroutinefunction
from typing import Any

from fastapi import APIRouter
from fastapi.routing import APIRoute

from adpulse.api.pools import READING, WAITING, WRITING, Pool

_SAFE = {"GET", "HEAD"}


class _FewThreads(APIRoute):
    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        reads = set(options.get("methods") or _SAFE) <= _SAFE
        super().__init__(path, _threaded(endpoint, READING if reads else WRITING), **options)


class _WaitingThreads(APIRoute):
    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, _threaded(endpoint, WAITING), **options)


def router(tag: str, *, waits: bool = False, **options: Any) -> APIRouter:
    """A router of such routes. With ``waits`` they wait for Prefect and have threads of their own.

    A route that a workspace can make wait belongs in :mod:`adpulse.api.places`.
    """
    return APIRouter(tags=[tag], route_class=_WaitingThreads if waits else _FewThreads, **options)


def _threaded(endpoint: Callable[..., Any], pool: Pool) -> Callable[..., Any]:
    if iscoroutinefunction(endpoint):
        return endpoint

    @wraps(endpoint)
    async def run(**arguments: Any) -> Any:  # noqa: ANN401 - whatever the route takes and answers
        return await pool.run(partial(endpoint, **arguments))

    return run
