"""What a platform counts together: the calls that a Google Cloud project or a Meta app may make. Pure. Steps: plan, fetch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from adpulse.model import Provider
from adpulse.planner.budget import WINDOW

GOOGLE_OPERATIONS = {"explorer": 2880, "basic": 15_000, "standard": None}
"""Operations in 24 hours by the project's access level; None is no limit."""

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeLimit:
    """How many calls a scope may make in any ``window``."""

    provider: Provider
    calls: int
    window: timedelta

    @property
    def owner(self) -> str:
        """Whose limit it is, as people say it."""
        return {Provider.GOOGLE: "Google Cloud project", Provider.META: "Meta app"}[self.provider]

    @property
    def told(self) -> str:
        """How much it is, as people say it: ``15,000 operations a day``."""
        return f"{self.counted} {'a day' if self.window == _DAY else 'an hour'}"

    @property
    def counted(self) -> str:
        """How much it is, without the window: ``15,000 operations``."""
        return f"{self.calls:,} {'operations' if self.provider is Provider.GOOGLE else 'calls'}"

    @property
    def a_day(self) -> float:
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


def scope_limits(google_access: str, meta_calls_per_hour: int | None) -> ScopeLimits:
    """The limits of an installation with this access level and this allowance of its Meta app."""
    operations = GOOGLE_OPERATIONS[google_access]
    limits = [
        ScopeLimit(provider=Provider.GOOGLE, calls=operations, window=_DAY) if operations else None,
        ScopeLimit(provider=Provider.META, calls=meta_calls_per_hour, window=WINDOW) if meta_calls_per_hour else None,
    ]
    return ScopeLimits(by_provider={limit.provider: limit for limit in limits if limit})
