"""The platforms that adpulse knows: the only list of them."""

from adpulse.errors import Usage
from adpulse.mapping import ConversionMapping
from adpulse.model import Connection, Provider
from adpulse.platforms.base import AnyPlatform
from adpulse.platforms.google.platform import GOOGLE
from adpulse.platforms.meta.platform import META

PLATFORMS: dict[Provider, AnyPlatform] = {platform.name: platform for platform in (META, GOOGLE)}


def platform_of(provider: str) -> AnyPlatform:
    """The platform of this name.

    Raises:
        Usage: there is none; the message lists those that there are.
    """
    try:
        return PLATFORMS[Provider(provider)]
    except KeyError:
        raise Usage(f"'{provider}' is not a platform that adpulse knows. Known are: {', '.join(PLATFORMS)}.") from None


def mapping_of(connection: Connection) -> ConversionMapping:
    """What counts as the connection's conversions now: what was chosen, or its platform's default."""
    return connection.mapping or platform_of(connection.provider).mapping.default
