"""The flow behind every Google Ads deployment."""

from adpulse.model import Provider
from flows.platform_flow import platform_flow

google_sync = platform_flow(Provider("google"))
