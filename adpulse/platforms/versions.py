"""The end of a platform's API version, and what to do before it. Pure."""

from dataclasses import dataclass
from datetime import date

from adpulse.platforms.base import AnyPlatform, PlatformSettings

WARNING_DAYS = 90
"""Warnings begin so many days before the end of a version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedVersion:
    """The API version of a platform that an installation uses.

    ``ends`` is the first day on which the platform may refuse it, or None if no end was announced or this adpulse does not know the
    version. ``newest`` is the newest version that this adpulse knows, ``setting`` the variable that chooses another one.
    """

    platform: AnyPlatform
    name: str
    is_known: bool
    ends: date | None
    today: date
    newest: str
    setting: str

    @property
    def days_left(self) -> int | None:
        """Days until the end, 0 or less after it; None without an end."""
        return (self.ends - self.today).days if self.ends else None

    @property
    def is_ending(self) -> bool:
        """Whether another version should be chosen now."""
        return self.days_left is not None and self.days_left <= WARNING_DAYS

    @property
    def has_ended(self) -> bool:
        """Whether the platform may refuse the version already."""
        return self.days_left is not None and self.days_left <= 0

    @property
    def sentence(self) -> str:
        """A sentence about the version's end, with what to do if it is near."""
        version = f"{self.platform.label} {self.name}"
        if not self.is_known:
            names = ", ".join(supported.name for supported in self.platform.versions)
            return f"{version} is not known to this adpulse, nor is the day it ends. Known are: {names}."
        if self.ends is None:
            return f"{version}: no end was announced."
        if not self.is_ending:
            return f"{version} ends on {self.ends}."
        when = "has ended" if self.has_ended else f"ends on {self.ends}, in {self.days_left} day{'s' if self.days_left != 1 else ''}"
        remedy = "Update adpulse, which knows no newer one" if self.name == self.newest else f"Set {self.setting} to {self.newest}"
        return f"{version} {when}. {remedy}."


def version_setting(platform: AnyPlatform) -> str:
    """The variable that chooses the version of a platform's API."""
    return f"{platform.settings.model_config['env_prefix']}VERSION"


def pinned_version(platform: AnyPlatform, settings: PlatformSettings, today: date) -> PinnedVersion | None:
    """The platform's API version that these settings choose; None for a platform without versions."""
    if not platform.versions:
        return None
    name = platform.pinned(settings)
    ends = {version.name: version.ends for version in platform.versions}
    return PinnedVersion(
        platform=platform,
        name=name,
        is_known=name in ends,
        ends=ends.get(name),
        today=today,
        # A platform lists its versions in order, the newest last.
        newest=platform.versions[-1].name,
        setting=version_setting(platform),
    )
