"""What an installation may set about Google Ads, as ``ADPULSE_GOOGLE_*``."""

from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from adpulse.platforms.base import PlatformSettings


class GoogleSettings(PlatformSettings):
    """The Google Ads API, and the installation's own OAuth client."""

    model_config = SettingsConfigDict(env_prefix="ADPULSE_GOOGLE_")

    endpoint: str = Field(
        "googleads.googleapis.com", description="Where the Google Ads API answers, or a sandbox of it, host or host:port."
    )
    auth_url: str = Field("https://accounts.google.com/o/oauth2/v2/auth", description="Google's page that asks a person for consent.")
    token_url: str = Field(
        "https://oauth2.googleapis.com/token", description="Where codes become refresh tokens, and those become access tokens."
    )
    version: str = Field("v26", pattern=r"^v\d+$", description="Pinned Google Ads API version.")
    client_id: str | None = Field(
        None, description="OAuth client that refresh tokens were issued to, and that people consent to in the browser."
    )
    client_secret: SecretStr | None = Field(None, description="Secret of that OAuth client.")
    access: Literal["explorer", "basic", "standard"] = Field(
        "explorer",
        description="Access level of the Google Cloud project; its accounts share 2,880 or 15,000 operations in 24 hours, or any number.",
    )
    timeout_seconds: float = Field(300.0, gt=0, description="How long one query to Google may take.")
