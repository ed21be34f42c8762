"""The command line in this process, on a home folder of its own, against a sandbox; Prefect is not running."""

import io
import sys

import pytest

from adpulse import cli
from adpulse_sandbox import Sandbox


@pytest.fixture(scope="package")
def sandbox():
    with Sandbox.start(extra=2) as running:
        yield running


@pytest.fixture
def adpulse(installation, shell):  # noqa: ARG001 - commands work on the installation's folder
    """Runs a command on an installation; (exit code, standard output, standard error)."""
    return shell


@pytest.fixture
def shell(monkeypatch, capsys):
    """Runs a command as a shell would; (exit code, standard output, standard error)."""

    def run(*arguments, stdin=""):
        monkeypatch.setattr(sys, "argv", ["adpulse", *arguments])
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        code = 0
        try:
            cli.main()
        except SystemExit as ended:
            code = ended.code or 0
        return code, *capsys.readouterr()

    return run
