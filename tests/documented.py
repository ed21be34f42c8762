"""The document of the HTTP API, made once for all files of tests that look at it: it takes a second of the processor's time."""

from adpulse.api.app import create_app

DOCUMENT = create_app().openapi()
