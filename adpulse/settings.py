"""Configuration: environment variables ``ADPULSE_*``, or files; the defaults run everything on one machine."""

import os
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Literal, get_args
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from adpulse.errors import Usage

SECRETS_DIR = "ADPULSE_SECRETS_DIR"
LOOPBACK_HOSTS = ("127.0.0.1", "::1", "localhost")
SCHEME_PORTS = {"http": 80, "https": 443}


class Settings(BaseSettings):
    """All of it, read once. Every value can be set by an environment variable of the same name.

    Or by a file of that name, in lower case, in the folder of ``ADPULSE_SECRETS_DIR``; the variable comes first.
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
    meta_graph_url: str = Field("https://graph.facebook.com", description="Where the Graph API answers, or a sandbox of it.")
    meta_login_url: str = Field("https://www.facebook.com", description="Where Meta's login dialog is, or a sandbox of it.")
    meta_version: str = Field("v26.0", pattern=r"^v\d+\.\d+$", description="Pinned Marketing API version.")
    meta_app_id: str | None = Field(None, description="Id of the installation's own Meta app; tokens of other apps work as well.")
    meta_app_secret: SecretStr | None = Field(
        None, description="Secret of that app; with it every call with a token of the app carries an `appsecret_proof`."
    )
    meta_login_configuration: str | None = Field(
        None, pattern=r"^\d+$", description="Id of a configuration of Facebook Login for Business, which says what people are asked for."
    )
    meta_page_size: int = Field(
        500,
        ge=1,
        le=5000,
        description="Rows per page, halved when Meta says it is too much; accounts of more than some 15,000 ads need larger pages.",
    )
    meta_timeout_seconds: float = Field(60.0, gt=0, description="How long one call to Meta may take.")
    meta_app_calls_per_hour: int | None = Field(
        None, ge=1, description="Calls of all accounts of a Meta app together in any 60 minutes, counted for each app; default: no limit."
    )
    google_endpoint: str = Field(
        "googleads.googleapis.com", description="Where the Google Ads API answers, or a sandbox of it, host or host:port."
    )
    google_auth_url: str = Field(
        "https://accounts.google.com/o/oauth2/v2/auth", description="Google's page that asks a person for consent."
    )
    google_token_url: str = Field(
        "https://oauth2.googleapis.com/token", description="Where codes become refresh tokens, and those become access tokens."
    )
    google_version: str = Field("v26", pattern=r"^v\d+$", description="Pinned Google Ads API version.")
    google_client_id: str | None = Field(
        None, description="OAuth client that refresh tokens were issued to, and that people consent to in the browser."
    )
    google_client_secret: SecretStr | None = Field(None, description="Secret of that OAuth client.")
    google_access: Literal["explorer", "basic", "standard"] = Field(
        "explorer",
        description="Access level of the Google Cloud project; its accounts share 2,880 or 15,000 operations in 24 hours, or any number.",
    )
    google_timeout_seconds: float = Field(300.0, gt=0, description="How long one query to Google may take.")
    prefect_auth: SecretStr | None = Field(
        None, description="`user:password` of the Prefect server; one that listens beyond loopback must have it."
    )
    prefect_origins: str | None = Field(
        None, description="Where else than on loopback the Prefect server is reached, `https://prefect.example.com`, comma separated."
    )
    heartbeat_file: Path | None = Field(None, description="File that the worker touches every half minute, for health checks.")
    sandbox_url: str | None = Field(None, description="Control endpoint of a sandbox; its clock becomes business time.")
    calls_per_hour: int = Field(180, ge=1, le=180, description="Platform calls per account in any 60 minutes.")
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
    metrics_on_loopback: bool = Field(default=False, description="Requests from this machine itself read `/metrics` without a key.")
    work_pool: str = Field("adpulse", description="Prefect work pool that deployments and worker use.")
    sweep_seconds: float = Field(15.0, gt=0, description="How often the worker looks for work that nobody asked Prefect for.")

    @field_validator("prefect_database_url")
    @classmethod
    def _own_database(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        """Both keep their schema's version in a table of the same name."""
        control = info.data.get("database_url")
        if value and control and _place(value) == _place(control):
            raise ValueError("Prefect needs a database of its own, not the one of ADPULSE_DATABASE_URL")
        return value

    @field_validator("public_url")
    @classmethod
    def _for_browsers(cls, value: str | None) -> str | None:
        """Without a slash at its end. Both platforms send people only to https, but for this machine itself."""
        if value is None:
            return None
        parts = urlsplit(value)
        secure = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS)
        if not secure or not parts.hostname or parts.query or parts.fragment or parts.username:
            raise ValueError("must be an address that begins with https:// (http:// only for localhost), without a query")
        return value.rstrip("/")

    @field_validator("prefect_origins")
    @classmethod
    def _as_browsers_write_them(cls, value: str | None) -> str | None:
        return ",".join(origin_of(url) for url in value.split(",")) if value else None

    def with_access(self, level: str) -> "Settings":
        """These settings with another access level of the Google Cloud project.

        Raises:
            Usage: there is no such level.
        """
        levels = get_args(type(self).model_fields["google_access"].annotation)
        if level not in levels:
            raise Usage(f"'{level}' is not an access level of Google Ads. Choose one of: {', '.join(levels)}.")
        return self.model_copy(update={"google_access": level})

    @property
    def control_url(self) -> str:
        """SQLAlchemy URL of the control plane; may contain a password, so never log it."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite:///{self.home.absolute() / 'control.db'}"


def origin_of(url: str) -> str:
    """The origin of a URL as browsers write it: lower case, without the scheme's own port.

    Raises:
        ValueError: it is not an address of the web.
    """
    parts = urlsplit(url.strip())
    if parts.scheme not in SCHEME_PORTS or not parts.hostname or parts.username is not None:
        raise ValueError("must be addresses such as https://prefect.example.com, with commas between them")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port not in (None, SCHEME_PORTS[parts.scheme]) else "")


def _place(url: SecretStr) -> tuple[str | None, int | None, str]:
    parts = urlsplit(url.get_secret_value())
    return parts.hostname, parts.port, parts.path


@cache
def load() -> Settings:
    """The process's settings.

    Raises:
        Usage: a variable has a wrong value; the message names it and what it may be.
    """
    folder = os.environ.get(SECRETS_DIR) or None
    if folder and not Path(folder).is_dir():
        raise Usage(f"Wrong configuration. {SECRETS_DIR}: there is no folder {folder}.")
    try:
        return Settings(_secrets_dir=folder)
    except ValidationError as error:
        problems = "; ".join(
            f"ADPULSE_{'_'.join(str(part) for part in item['loc']).upper()}: {item['msg']}" for item in error.errors(include_input=False)
        )
        raise Usage(f"Wrong configuration. {problems}.") from None
