"""How long a platform's API version lives, and what to do before it ends. Pure."""

from dataclasses import dataclass
from datetime import date

from adpulse.platforms.base import AnyPlatform, PlatformSettings

WARNING_DAYS = 90
"""People are warned from so many days before the end of a version on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedVersion:
    """The version that an installation calls a platform by.

    ``ends`` is the first day on which the platform may refuse it; None while no end was announced, or when this adpulse does not know
    the version. ``newest`` is the newest one that this adpulse knows, ``setting`` the variable that chooses another one.
    """

    platform: AnyPlatform
    name: str
    known: bool
    ends: date | None
    today: date
    newest: str
    setting: str

    @property
    def days_left(self) -> int | None:
        """Days until it ends, 0 or less when it has ended; None without an end."""
        return (self.ends - self.today).days if self.ends else None

    @property
    def is_ending(self) -> bool:
        """Whether somebody should choose another version now."""
        return self.days_left is not None and self.days_left <= WARNING_DAYS

    @property
    def has_ended(self) -> bool:
        """Whether the platform may refuse it already."""
        return self.days_left is not None and self.days_left <= 0

    @property
    def sentence(self) -> str:
        """What is known of its end, and what to do when that is near."""
        version = f"{self.platform.label} {self.name}"
        if not self.known:
            known = ", ".join(version.name for version in self.platform.versions)
            return f"{version} is not known to this adpulse, nor is the day it ends. Known are: {known}."
        if self.ends is None:
            return f"{version}: no end was announced."
        if not self.is_ending:
            return f"{version} ends on {self.ends}."
        when = "has ended" if self.has_ended else f"ends on {self.ends}, in {self.days_left} day{'s' if self.days_left != 1 else ''}"
        remedy = "Update adpulse, which knows no newer one" if self.name == self.newest else f"Set {self.setting} to {self.newest}"
        return f"{version} {when}. {remedy}."


def pinned_version(platform: AnyPlatform, settings: PlatformSettings, today: date) -> PinnedVersion | None:
    """The version of a platform that these settings choose; None for a platform without versions."""
    if not platform.versions:
        return None
    name = platform.pinned(settings)
    ends = {version.name: version.ends for version in platform.versions}
    return PinnedVersion(
        platform=platform,
        name=name,
        known=name in ends,
        ends=ends.get(name),
        today=today,
        newest=platform.versions[-1].name,
        setting=f"{platform.settings.model_config['env_prefix']}VERSION",
    )
