"""Runs the services of compose.yaml as processes of this machine: their own commands, environments and health checks.

What only a container gives is mapped: host names to loopback, ports to free ones, folders to temporary ones. Nothing else is in
a process's environment than what the image and compose.yaml put there.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from compose.reading import ROOT, compose, env_file, image_environment, in_order

SECONDS = 150
_MORE = {"sandbox": ("--now", "2026-11-20T15:00Z")}
"""What a test adds to a command: an instant at which the versions that are called by default live, whatever day it runs."""
_SOURCE = {"adpulse": [sys.executable, "-m", "adpulse"], "python": [sys.executable]}


class Services:
    """The services by name; a context manager that stops them all."""

    def __init__(self, folder, postgres, variables, profiles=()):
        self.folder = folder
        self._postgres = postgres
        self.compose = compose(**variables)
        self.services = {
            name: service
            for name, service in self.compose.services.items()
            if not service.profiles or set(service.profiles) & set(profiles)
        }
        told = {port for service in self.services.values() for port in re.findall(r"\b\d{4}\b", " ".join(service.command))}
        self._ports = {"5432": str(postgres.port)} | {port: str(_free_port()) for port in sorted(told)}
        self._volumes = {name: folder / "volumes" / name for name in self.compose.volumes}
        self.secrets = folder / "secrets"
        self.processes = {}
        self.ended = {}

    def __enter__(self):
        for path in self._volumes.values():
            path.mkdir(parents=True)
        subprocess.run(["/bin/sh", ROOT / "docker" / "make-secrets.sh", self.secrets], check=True)
        return self

    def __exit__(self, *_):
        for name in reversed(list(self.processes)):
            self.stop(name)

    def secret(self, name):
        return (self.secrets / name).read_text()

    def here(self, name, text):
        """A string of a service as it has to be on this machine."""
        places = self._places(name)
        hosts = "|".join(map(re.escape, self.compose.services))
        mapped = rf"(?<![\w./-])(?P<place>{'|'.join(places)})(?![\w-])|\b(?:(?:{hosts})(?=:\d)|0\.0\.0\.0)\b|\b(?P<port>\d{{4}})\b"

        def own(found):
            if found["place"]:
                return str(places[found["place"]])
            return self._ports.get(found["port"], found["port"]) if found["port"] else "127.0.0.1"

        return re.sub(mapped, own, text)

    def _places(self, name):
        mounted = (volume.split(":")[:2] for volume in self.services[name].volumes)
        volumes = {place: self._volumes[source] for source, place in mounted if source in self._volumes}
        return {**volumes, "/run/secrets": self.folder / name / "secrets", "/tmp": self.folder / name / "tmp"}  # noqa: S108 - the container's own

    def environment(self, name):
        service = self.services[name]
        files = [env_file(each.path) for each in service.env_file if each.required or (ROOT / each.path).exists()]
        told = {key: value for each in (image_environment(), *files, service.environment) for key, value in each.items()}
        return {
            **{key: self.here(name, value) for key, value in told.items() if key != "PATH"},
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
        }

    def start_all(self):
        """In the order of their dependencies, each when what it depends on is as it has to be."""
        for name in in_order(self.services):
            for needed, dependency in self.services[name].depends_on.items():
                self._await(needed, dependency.condition)
            if name != "postgres":
                self.start(name)
        for name, service in self.services.items():
            if service.healthcheck:
                self._await(name, "service_healthy")

    def start(self, name, copy=""):
        """Its command, as it is written, with the secrets that it has."""
        secrets, tmp = self.folder / name / "secrets", self.folder / name / "tmp"
        for each in (secrets, tmp):
            each.mkdir(parents=True, exist_ok=True)
        for each in self.services[name].secrets:
            (secrets / each).write_text(self.here(name, self.secret(each)))
        with self.log(name).open("ab") as log:
            self.processes[name + copy] = subprocess.Popen(
                self._command(name, [*self.services[name].command, *_MORE.get(name, ())]),
                env=self.environment(name),
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def run(self, name, *command, stdin=""):
        """A command in a service's container, as ``docker compose exec`` runs it; what it printed."""
        done = subprocess.run(
            self._command(name, command), env=self.environment(name), cwd=ROOT, input=stdin, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def _command(self, name, command):
        told = zip(("", *command), command, strict=False)
        program, *arguments = ["127.0.0.1" if before == "--host" else self.here(name, each) for before, each in told]
        return [*_SOURCE.get(program, [program]), *arguments]

    def stop(self, name):
        """As Compose does it: SIGTERM, and its process group's end; its exit code."""
        process = self.processes.pop(name)
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(45)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self.ended[name] = process.returncode
        return process.returncode

    def log(self, name):
        return self.folder / f"{name}.log"

    def address(self, port):
        return f"http://127.0.0.1:{self._ports[port]}"

    def healthy(self, name):
        """What its health check says now."""
        if name == "postgres" and not shutil.which("pg_isready"):
            return True  # the client is not on every machine; the server answers, or nothing else would
        check = self._command(name, self.services[name].healthcheck.test.command)
        environment = {"PATH": os.environ["PATH"]} if name == "postgres" else self.environment(name)
        return subprocess.run(check, env=environment, capture_output=True, check=False).returncode == 0

    def _await(self, name, condition):
        """Within a bound; a service that ends too early fails at once, with what it said."""
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            process = self.processes.get(name)
            code = process.poll() if process else None
            if condition == "service_completed_successfully" and code is not None:
                assert code == 0, self.log(name).read_text()
                return
            if condition == "service_healthy":
                assert code is None, self.log(name).read_text()
                if self.healthy(name):
                    return
            time.sleep(0.5)
        raise AssertionError(f"{name}: {condition} did not happen\n{self.log(name).read_text()}")


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
