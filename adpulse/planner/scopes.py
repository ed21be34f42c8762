"""Scopes: the accounts whose calls a platform counts together, and how many calls they may make. Pure. Steps: plan, fetch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from adpulse.model import Provider
from adpulse.platforms.registry import PLATFORMS, platform_of

if TYPE_CHECKING:
    from adpulse.settings import Settings

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeLimit:
    """How many calls a scope may make in any ``window``."""

    provider: Provider
    calls: int
    window: timedelta

    @property
    def owner(self) -> str:
        """The owner of the limit, for people: ``Google Cloud project``."""
        return platform_of(self.provider).scope_owner

    @property
    def rate(self) -> str:
        """The limit with its window, for people: ``15,000 operations a day``."""
        return f"{self.call_count} {'a day' if self.window == _DAY else 'an hour'}"

    @property
    def call_count(self) -> str:
        """The limit without its window, for people: ``15,000 operations``."""
        return f"{self.calls:,} {platform_of(self.provider).call_unit}"

    @property
    def windows_per_day(self) -> float:
        """How many times the window fits into a day."""
        return _DAY / self.window


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeLimits:
    """The limits in force, by platform; a platform that is missing has none."""

    by_provider: Mapping[Provider, ScopeLimit] = field(default_factory=dict)

    def of(self, scope: str) -> ScopeLimit | None:
        """The limit of a connection's scope; None when it has none."""
        provider, _, _ = scope.partition(":")
        return self.by_provider.get(Provider(provider))


def scope_limits(config: "Settings") -> ScopeLimits:
    """The limits of an installation with these settings."""
    limits = {name: platform.shared_limit(config.of(platform)) for name, platform in PLATFORMS.items()}
    return ScopeLimits(
        by_provider={
            name: ScopeLimit(provider=name, calls=limit.calls, window=limit.window) for name, limit in limits.items() if limit is not None
        }
    )
