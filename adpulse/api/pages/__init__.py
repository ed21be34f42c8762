"""The pages: rendered on the server, without a build step.

Every change is a form, so the pages work without scripts; a script only avoids page loads.
"""

from fastapi import FastAPI

from adpulse.api.pages import (
    access,
    account,
    alert_templates,
    alerts,
    backfill,
    budgets,
    bulk,
    connect,
    connections,
    editing,
    health,
    labels,
    login,
    mapping,
    restatements,
    today,
    webhooks,
)
from adpulse.api.pages.site import ROOT, error_page, set_up

__all__ = ["ROOT", "create_site", "error_page"]


def create_site() -> FastAPI:
    """The application of the pages."""
    site = FastAPI(openapi_url=None)
    for module in (
        login,
        today,
        account,
        restatements,
        budgets,
        bulk,
        connections,
        editing,
        labels,
        mapping,
        backfill,
        connect,
        health,
        alerts,
        alert_templates,
        webhooks,
        access,
    ):
        site.include_router(module.router)
    return set_up(site)
