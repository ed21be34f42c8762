"""The flow behind every Meta Ads deployment."""

from adpulse.model import Provider
from flows.platform_flow import platform_flow

meta_sync = platform_flow(Provider("meta"))
