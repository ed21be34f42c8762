"""Configuration: environment variables ``ADPULSE_*``, or files; the defaults run everything on one machine."""

import os
from decimal import Decimal
from functools import cache
from ipaddress import ip_network
from pathlib import Path
from typing import Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import Field, PrivateAttr, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from adpulse.errors import Usage
from adpulse.mail_address import sender
from adpulse.platforms.base import Platform, PlatformSettings, S
from adpulse.platforms.registry import PLATFORMS

SECRETS_DIR = "ADPULSE_SECRETS_DIR"
LOOPBACK_HOSTS = ("127.0.0.1", "::1", "localhost")
MOST_CALLS_PER_HOUR = 10_000
"""The highest limit of an account's calls in an hour: Meta's full tier has 9,000 points in 300 seconds, and nobody needs as many."""

SCHEME_PORTS = {"http": 80, "https": 443}

T = TypeVar("T", bound=BaseSettings)


class Settings(BaseSettings):
    """The settings of the installation, and with :meth:`of` those of one platform.

    Every value can be set by an environment variable of the same name, or by a file of that name, in lower case,
    in the folder of ``ADPULSE_SECRETS_DIR``; the variable comes first. They are read once per process.
    """

    model_config = SettingsConfigDict(env_prefix="ADPULSE_", frozen=True)

    home: Path = Field(Path(".adpulse"), description="Folder in which everything that lasts is kept.")
    published_group: str | None = Field(
        None, description="Group of this machine, by name or number, that may read the published copies; adpulse's own user must be in it."
    )
    database_url: SecretStr | None = Field(
        None, description="URL of the control plane's database, `sqlite:///…` or `postgresql://…`; default: SQLite in the home folder."
    )
    prefect_database_url: SecretStr | None = Field(
        None, description="URL of the Prefect server's database, not the control plane's; default: SQLite in the home folder."
    )
    secret_key: SecretStr | None = Field(
        None, description="Fernet keys that tokens are encrypted with, comma separated, the newest first; default: the file `secret.key`."
    )
    public_url: str | None = Field(
        None, description="Where people's browsers reach this installation, `https://…`; consent at a platform needs it."
    )
    prefect_auth: SecretStr | None = Field(
        None,
        description="`user:password` of the Prefect server; default: made at its first start; beyond loopback it must be set.",
    )
    prefect_origins: str | None = Field(
        None, description="Where else than on loopback the Prefect server is reached, `https://prefect.example.com`, comma separated."
    )
    heartbeat_file: Path | None = Field(None, description="File that the worker touches every half minute, for health checks.")
    sandbox_url: str | None = Field(None, description="Control endpoint of a sandbox; its clock becomes business time.")
    calls_per_hour: int = Field(
        180,
        ge=1,
        le=MOST_CALLS_PER_HOUR,
        description="Most platform calls per account in any 60 minutes; more than 180 only where the app's access tier allows them.",
    )
    gross_margin: Decimal = Field(
        Decimal(1), ge=0, le=1, decimal_places=6, description="Margin of a new connection: profit is revenue times margin, less spend."
    )
    publish_seconds: float = Field(5.0, ge=0, description="A workspace's published copy is renewed at most this often.")
    keep_runs_days: int = Field(
        7, ge=1, description="Days for which the record of a sync is kept; a connection's newest 50 and open dead letters stay."
    )
    webhook_private_targets: bool = Field(
        default=False,
        description="Webhooks may go to private and loopback addresses, and by plain http: their makers reach your network then.",
    )
    smtp_host: str | None = Field(None, description="Mail server that sends e-mails of webhooks; without it none are sent.")
    smtp_port: int | None = Field(None, ge=1, le=65535, description="Its port; default: 587, with `tls` 465, with `none` 25.")
    smtp_password: SecretStr | None = Field(None, description="Password of the login there.")
    smtp_user: str | None = Field(None, description="User of that login; default: no login.")
    smtp_from: str | None = Field(None, description="Sender of these e-mails, an address or `adpulse <adpulse@example.com>`.")
    smtp_unencrypted: bool = Field(
        default=False,
        description="`none` may be used with a mail server beyond loopback: names of accounts and the login travel in plain text.",
    )
    smtp_tls: Literal["starttls", "tls", "none"] = Field(
        "starttls", description="How the connection is encrypted: `starttls`, `tls` from its beginning, or `none`, to loopback only."
    )
    metrics_on_loopback: bool = Field(default=False, description="Requests from this machine itself read `/metrics` without a key.")
    backup_folder: Path | None = Field(
        None, description="Folder for daily backups, each in a folder of its own, for this home alone; without it none are taken."
    )
    backups_kept: int = Field(7, ge=1, description="How many of the daily backups are kept.")
    export_to: SecretStr | None = Field(
        None,
        description="Where changed rows are exported after each publication: a folder, `s3://BUCKET/PREFIX` or "
        "`postgresql://USER:PASSWORD@HOST/DATABASE?schema=NAME`; without it nowhere.",
    )
    export_format: Literal["parquet", "csv"] = Field(
        "parquet", description="Format of these exports where they are files, `parquet` or `csv`."
    )
    trusted_proxies: str | None = Field(
        None, description="Addresses or networks of proxies whose `X-Forwarded-For` counts, comma separated; nobody's else."
    )
    work_pool: str = Field("adpulse", description="Prefect work pool that deployments and worker use.")
    sweep_seconds: float = Field(15.0, gt=0, description="How often the worker looks for work that nobody asked Prefect for.")

    _of_platforms: dict[type[PlatformSettings], PlatformSettings] = PrivateAttr(default_factory=dict)

    @field_validator("prefect_database_url")
    @classmethod
    def _own_database(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        """Refuse one database for both: adpulse and Prefect store their schema's version in a table of the same name."""
        control = info.data.get("database_url")
        if value and control and _database(value) == _database(control):
            raise ValueError("Prefect needs a database of its own, not the one of ADPULSE_DATABASE_URL")
        return value

    @field_validator("backup_folder", "export_to", mode="before")
    @classmethod
    def _named(cls, value: object) -> object:
        """An empty value is none; as a path it would be the folder in which the process was started."""
        return value or None

    @field_validator("public_url")
    @classmethod
    def _for_browsers(cls, value: str | None) -> str | None:
        """Check the address, and remove a slash at its end. Both platforms redirect only to https, except to localhost."""
        if value is None:
            return None
        parts = urlsplit(value)
        secure = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS)
        if not secure or not parts.hostname or parts.query or parts.fragment or parts.username:
            raise ValueError("must be an address that begins with https:// (http:// only for localhost), without a query")
        return value.rstrip("/")

    @field_validator("smtp_user")
    @classmethod
    def _with_a_password(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value and not info.data.get("smtp_password"):
            raise ValueError("needs ADPULSE_SMTP_PASSWORD, too")
        return value or None

    @field_validator("smtp_from")
    @classmethod
    def _one_sender(cls, value: str | None) -> str | None:
        if value:
            sender(value)
        return value or None

    @field_validator("smtp_tls")
    @classmethod
    def _encrypted(cls, value: str, info: ValidationInfo) -> str:
        if value == "none" and info.data.get("smtp_host") not in LOOPBACK_HOSTS and not info.data.get("smtp_unencrypted"):
            raise ValueError("none is for a mail server on loopback; ADPULSE_SMTP_UNENCRYPTED=true allows it elsewhere")
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: str | None) -> str | None:
        for network in value.split(",") if value else ():
            ip_network(network.strip())
        return value

    @field_validator("prefect_origins")
    @classmethod
    def _as_browsers_write_them(cls, value: str | None) -> str | None:
        return ",".join(origin_of(url) for url in value.split(",")) if value else None

    def of(self, platform: Platform[S]) -> S:
        """The settings of one platform."""
        section = self._of_platforms.get(platform.settings)
        return section if isinstance(section, platform.settings) else platform.settings()

    def with_platform_settings(self, section: PlatformSettings) -> "Settings":
        """A copy of these settings with other ones for one platform."""
        copy = self.model_copy()
        copy._of_platforms = {**self._of_platforms, type(section): section}  # noqa: SLF001 - of its own class
        return copy

    @property
    def control_url(self) -> str:
        """SQLAlchemy URL of the control plane. It may contain a password, so it must not be logged."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite:///{self.home.absolute() / 'control.db'}"


def origin_of(url: str) -> str:
    """The origin of a URL as browsers write it: lower case, without the scheme's own port.

    Raises:
        ValueError: it is not an http or https address.
    """
    parts = urlsplit(url.strip())
    if parts.scheme not in SCHEME_PORTS or not parts.hostname or parts.username is not None:
        raise ValueError("must be addresses such as https://prefect.example.com, with commas between them")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port not in (None, SCHEME_PORTS[parts.scheme]) else "")


def _database(url: SecretStr) -> tuple[str | None, int | None, str]:
    """What identifies a database in its URL, whatever the driver and the user."""
    parts = urlsplit(url.get_secret_value())
    return parts.hostname, parts.port, parts.path


@cache
def load() -> Settings:
    """The process's settings.

    Raises:
        Usage: a variable has a wrong value; the message names the variable and its allowed values.
    """
    folder = os.environ.get(SECRETS_DIR) or None
    if folder and not Path(folder).is_dir():
        raise Usage(f"Wrong configuration. {SECRETS_DIR}: there is no folder {folder}.")
    problems: list[str] = []
    settings = _read(Settings, folder, problems)
    # All sections are read before anything is refused, so that one message names every wrong variable.
    sections = [_read(platform.settings, folder, problems) for platform in PLATFORMS.values()]
    if settings is None or problems:
        raise Usage(f"Wrong configuration. {'; '.join(problems)}.")
    for section in filter(None, sections):
        settings = settings.with_platform_settings(section)
    return settings


def sections() -> tuple[type[BaseSettings], ...]:
    """The classes that declare settings: the installation's first, then each platform's."""
    return (Settings, *(platform.settings for platform in PLATFORMS.values()))


def variable(section: type[BaseSettings], field: str) -> str:
    """The environment variable of a setting."""
    return f"{section.model_config['env_prefix']}{field.upper()}"


def _read(section: type[T], folder: str | None, problems: list[str]) -> T | None:
    """The settings of one section; None if one is wrong. Problems name the wrong variables, never their values: they may be secrets."""
    try:
        return section(_secrets_dir=folder)
    except ValidationError as error:
        wrong = error.errors(include_input=False)
        problems += [f"{variable(section, '_'.join(str(part) for part in item['loc']))}: {item['msg']}" for item in wrong]
        return None
