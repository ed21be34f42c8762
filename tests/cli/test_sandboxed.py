"""The file that points a second terminal at an installation with a sandbox."""

import json
import os
import subprocess

from adpulse.cli.processes import process
from adpulse.cli.sandboxed import second_terminal, variables_of, write_shell_file


def test_a_shell_that_reads_the_file_has_the_home_the_addresses_and_the_command(sandbox, tmp_path):
    world = {
        "graph_url": sandbox.graph_url,
        "login_url": sandbox.login_url,
        "control_url": sandbox.control_url,
        "app_id": "1",
        "app_secret": "it's a $secret",
        "tokens": {"full": sandbox.world.token("full").value},
        "google": sandbox.google.describe(sandbox.login_url),
        "versions": sandbox.versions,
    }
    home = tmp_path / "a home"
    home.mkdir()

    file = write_shell_file(home, variables_of(world))
    line = second_terminal(file).removeprefix("In a second terminal: ").removesuffix(" && adpulse status")
    names = ("ADPULSE_HOME", "ADPULSE_META_GRAPH_URL", "ADPULSE_META_APP_SECRET", "ADPULSE_GOOGLE_CREDENTIALS", "ADPULSE_SANDBOX_URL")
    show = f"{line}; command -v adpulse; python -c 'import json, os; print(json.dumps([os.environ[n] for n in {list(names)}]))'".replace(
        str(list(names)), json.dumps(list(names))
    )
    said = subprocess.run(
        ["/bin/sh", "-c", show], env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=True
    ).stdout.splitlines()

    assert said[0].endswith("/bin/adpulse")
    assert json.loads(said[1]) == [
        str(home),
        sandbox.graph_url,
        "it's a $secret",
        sandbox.google.world.credentials["full"].refresh_token,
        sandbox.control_url,
    ]
    assert file.stat().st_mode & 0o777 == 0o600


def test_what_the_command_prints_and_writes_has_the_tokens_and_googles_certificate(tmp_path):
    with process("sandbox", "--rate", "0", "--env", str(tmp_path / "sandbox.env"), ready="GRPC_DEFAULT_SSL_ROOTS_FILE_PATH") as lines:
        written = (tmp_path / "sandbox.env").read_text().splitlines()
        printed = [line.strip() for line in lines if "export ADPULSE_" in line]

    assert set(printed) <= set(written)
    names = {line.removeprefix("export ").partition("=")[0] for line in written}
    assert names >= {"ADPULSE_META_TOKEN", "ADPULSE_GOOGLE_CREDENTIALS", "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", "ADPULSE_SANDBOX_URL"}
    assert (tmp_path / "sandbox.env").stat().st_mode & 0o777 == 0o600
