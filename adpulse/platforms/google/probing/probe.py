"""Google's part of ``adpulse probe``, put together."""

from adpulse.clock import Clock
from adpulse.platforms.base import Credential
from adpulse.platforms.google.client import Endpoint, GoogleClient
from adpulse.platforms.google.credentials import OauthClient, parse
from adpulse.platforms.google.probing.allowed import ALLOWED
from adpulse.platforms.google.probing.asker import GoogleAsker
from adpulse.platforms.google.probing.assumptions import ASSUMPTIONS, results
from adpulse.platforms.google.probing.conversation import (
    ADS_OF_ONE,
    ADS_OF_OTHERS,
    GROUPS_OF_ONE,
    GROUPS_OF_OTHERS,
    OTHER_CAMPAIGNS,
    converse,
)
from adpulse.platforms.google.probing.judging import judge
from adpulse.platforms.google.requests import WORDS
from adpulse.platforms.google.settings import GoogleSettings
from adpulse.probe.platform_probe import PlatformProbe


def _asker(config: GoogleSettings, clock: Clock, credential: Credential) -> GoogleAsker:
    key = parse(credential.secret, OauthClient(token_url=config.token_url, id=config.client_id, secret=config.client_secret))
    endpoint = Endpoint(address=config.endpoint, version=config.version, timeout=config.timeout_seconds)
    return GoogleAsker(GoogleClient(key, endpoint, clock), config.version, config.timeout_seconds)


PROBE = PlatformProbe(
    kinds=WORDS,
    beyond={
        ADS_OF_ONE: "a day's numbers of ads, of one campaign",
        ADS_OF_OTHERS: "a day's numbers of ads, of all campaigns but one",
        GROUPS_OF_ONE: "a day's numbers of asset groups, of one campaign",
        GROUPS_OF_OTHERS: "a day's numbers of asset groups, of all campaigns but one",
        OTHER_CAMPAIGNS: "a day's numbers of all campaigns but one",
    },
    never={"The exchange of a code (`oauth2.googleapis.com/token`)": "it issues a token, when people connect."},
    converse=converse,
    judge=judge,
    assumptions=ASSUMPTIONS,
    results=results,
    allowed=ALLOWED,
    asker=_asker,
)
