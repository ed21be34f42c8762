"""Probes of a sandbox without an installation."""

from pydantic import SecretStr

from adpulse import settings
from adpulse.cli.sandboxed import living_versions
from adpulse.model import Provider
from adpulse.services import probing
from adpulse_sandbox.google import login


class Probing:
    """Probes of one platform, and what they asked and wrote."""

    def __init__(self, platform, sandbox, folder):
        self.platform, self.sandbox, self.folder = platform, sandbox, folder
        meta = sandbox.world.token("full").value
        self.secret = meta if platform == "meta" else sandbox.google.world.credentials["full"].refresh_token

    def run(self, account=None):
        self.sandbox.calls.clear()
        secret = SecretStr(self.secret)
        return probing.probe_platform(settings.load(), Provider(self.platform), secret, account, self.folder, sleep=lambda _: None)

    @property
    def calls(self):
        """What the platform was asked, but for access tokens."""
        return [call for call in self.sandbox.calls.calls() if call.kind != "token"]

    def fault(self, **rule):
        self.sandbox.faults.add([{"platform": self.platform} | rule])


def use_sandbox(sandbox, setenv):
    """The environment of somebody who has no installation."""
    setenv("ADPULSE_META_GRAPH_URL", sandbox.graph_url)
    setenv("ADPULSE_GOOGLE_ENDPOINT", sandbox.google.endpoint)
    setenv("ADPULSE_GOOGLE_TOKEN_URL", sandbox.google.token_url)
    setenv("ADPULSE_GOOGLE_CLIENT_ID", login.CLIENT_ID)
    setenv("ADPULSE_GOOGLE_CLIENT_SECRET", login.CLIENT_SECRET)
    setenv("ADPULSE_SANDBOX_URL", sandbox.control_url)
    for name, version in living_versions(sandbox.versions).items():
        setenv(name, version)
