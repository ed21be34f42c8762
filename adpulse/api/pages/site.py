"""The pages as an application of their own beneath ``/app``: templates, assets, and errors as pages."""

from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote, urlsplit

from fastapi import FastAPI, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from adpulse import orchestrator
from adpulse.api import problems
from adpulse.api.access import Caller, LoggedOut
from adpulse.api.fields import Line
from adpulse.api.problems import Told
from adpulse.platforms.registry import platform_of
from adpulse.role import Role
from storage.control.workspaces import Workspace

ROOT = "/app"
Name = Annotated[Line, Form()]
"""What somebody calls something, from a form."""

_PLACES = {
    "connections": ("Connections", Role.VIEWER),
    "health": ("Health", Role.VIEWER),
    "alerts": ("Alerts", Role.VIEWER),
    "access": ("Access", Role.EDITOR),
}
_HERE = Path(__file__).parent


def furnish(site: FastAPI) -> FastAPI:
    """Give the application its assets and its error pages."""
    site.mount("/static", _Assets(directory=_HERE / "static"))
    problems.handle(site, lambda _, told: error_page(told))
    site.add_exception_handler(LoggedOut, _to_login)
    return site


def page(template: str, caller: Caller | None, status: HTTPStatus = HTTPStatus.OK, **values: Any) -> HTMLResponse:
    """A template as an answer; ``caller`` is who looks at it, None for somebody who is not logged in."""
    edits, operates = (caller is not None and caller.may(role) for role in (Role.EDITOR, Role.OPERATOR))
    text = _templates().get_template(template).render(caller=caller, edits=edits, operates=operates, root=ROOT, **values)
    return HTMLResponse(text, status)


def workspace_of(caller: Caller, workspace_id: str) -> Workspace | None:
    """The workspace that a page is about: the one that was asked for, or else the first that the caller sees, if there is one."""
    return caller.workspace(workspace_id) if workspace_id else next(iter(caller.workspaces()), None)


def back(request: Request, otherwise: str) -> RedirectResponse:
    """To the page whose form was sent; only ever to one of ours."""
    came = urlsplit(request.headers.get("referer", ""))
    ours = came.netloc == request.headers.get("host") and came.path.startswith(f"{ROOT}/")
    place = f"{came.path}?{came.query}" if came.query else came.path
    return RedirectResponse(place if ours else ROOT + otherwise, HTTPStatus.SEE_OTHER)


@cache
def _templates() -> Environment:
    loader = PackageLoader("adpulse.api.pages")
    made = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.filters["platform"] = platform_of
    made.globals |= {"places": _PLACES, "prefect_pages": orchestrator.pages_url}
    return made


class _Assets(StaticFiles):
    """Kept by the browser, but asked for again each time whether they are the same: a new version is seen at once."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """One file."""
        answer = await super().get_response(path, scope)
        answer.headers["Cache-Control"] = "no-cache"
        return answer


def _to_login(request: Request, _: Exception) -> Response:
    return RedirectResponse(f"{ROOT}/login?next={quote(request.url.path)}", HTTPStatus.SEE_OTHER)


def error_page(told: Told) -> Response:
    """An error, for a person."""
    answer = page("error.html", None, told.status, title=told.status.phrase, said=told.detail)
    answer.headers.update(told.headers)
    return answer
