"""The pages: rendered here, quick, without a build step.

Every change is a form, so they work without scripts; a script only makes it smoother.
"""

from fastapi import FastAPI

from adpulse.api.pages import access, alerts, bulk, connect, connections, editing, health, login, webhooks
from adpulse.api.pages.site import ROOT, error_page, furnish

__all__ = ["ROOT", "create_site", "error_page"]


def create_site() -> FastAPI:
    """The application of the pages."""
    site = FastAPI(openapi_url=None)
    for each in (login, bulk, connections, editing, connect, health, alerts, webhooks, access):
        site.include_router(each.router)
    return furnish(site)
