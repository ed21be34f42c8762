"""Meta's part of ``adpulse probe``, put together."""

from adpulse.clock import Clock
from adpulse.platforms.base import Credential
from adpulse.platforms.meta.probing.allowed import ALLOWED
from adpulse.platforms.meta.probing.asker import MetaAsker
from adpulse.platforms.meta.probing.assumptions import ASSUMPTIONS, results
from adpulse.platforms.meta.probing.conversation import converse
from adpulse.platforms.meta.probing.judging import judge
from adpulse.platforms.meta.requests import WORDS
from adpulse.platforms.meta.session import Endpoint
from adpulse.platforms.meta.settings import MetaSettings
from adpulse.probe.platform_probe import PlatformProbe
from adpulse.redact import protect


def _asker(config: MetaSettings, clock: Clock, credential: Credential) -> MetaAsker:
    del clock
    protect(credential.secret.get_secret_value())
    endpoint = Endpoint(
        graph_url=config.graph_url,
        version=config.version,
        app_id=config.app_id,
        app_secret=config.app_secret,
        timeout=config.timeout_seconds,
    )
    return MetaAsker(credential.secret, endpoint, credential.app_id)


PROBE = PlatformProbe(
    kinds=WORDS,
    beyond={},
    never={
        "The exchange of a code or token (`oauth/access_token`)": "it issues a token.",
        "The inspection of a token (`debug_token`)": "it is sent with the installation's app secret, when people connect.",
    },
    converse=converse,
    judge=judge,
    assumptions=ASSUMPTIONS,
    results=results,
    allowed=ALLOWED,
    asker=_asker,
)
