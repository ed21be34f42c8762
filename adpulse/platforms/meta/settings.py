"""What an installation may set about Meta, as ``ADPULSE_META_*``."""

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from adpulse.platforms.base import PlatformSettings


class MetaSettings(PlatformSettings):
    """The Graph API, and the installation's own Meta app."""

    model_config = SettingsConfigDict(env_prefix="ADPULSE_META_")

    graph_url: str = Field("https://graph.facebook.com", description="Where the Graph API answers, or a sandbox of it.")
    login_url: str = Field("https://www.facebook.com", description="Where Meta's login dialog is, or a sandbox of it.")
    version: str = Field("v26.0", pattern=r"^v\d+\.\d+$", description="Pinned Marketing API version.")
    app_id: str | None = Field(None, description="Id of the installation's own Meta app; tokens of other apps work as well.")
    app_secret: SecretStr | None = Field(
        None, description="Secret of that app; with it every call with a token of the app carries an `appsecret_proof`."
    )
    login_configuration: str | None = Field(
        None, pattern=r"^\d+$", description="Id of a configuration of Facebook Login for Business, which says what people are asked for."
    )
    page_size: int = Field(
        500,
        ge=1,
        le=5000,
        description="Rows of an account's first pages; they double with each full page and shrink when Meta refuses one.",
    )
    largest_page: int = Field(5000, ge=1, le=5000, description="Rows up to which pages grow.")
    timeout_seconds: float = Field(60.0, gt=0, description="How long one call to Meta may take.")
    app_calls_per_hour: int | None = Field(
        None, ge=1, description="Calls of all accounts of a Meta app together in any 60 minutes, counted for each app; default: no limit."
    )
