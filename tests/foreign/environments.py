"""Installs each foreign client into an environment of its own, exactly as its lock says."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
INSTALLED = HERE.parents[1] / ".venv-foreign"
_NAME = re.compile(r"^([A-Za-z0-9._-]+)==([^\s\\]+)", re.MULTILINE)


def programs(client: str, folder: Path = HERE) -> Path:
    """The folder with the programs of a Python client, which is installed if its lock has changed. ``folder`` holds the client's."""
    lock, target = folder / client / "requirements.lock", INSTALLED / client
    if _is_new(target, lock):
        uv = Path(sys.executable).with_name("uv")
        _run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, target])
        _run([uv, "pip", "sync", "--quiet", "--python", target / "bin" / "python", lock])
        _note(target, lock)
    return target / "bin"


def packages(client: str) -> Path:
    """The folder beside the ``node_modules`` of a Node client, which is installed if its lock has changed."""
    lock, target = HERE / client / "package-lock.json", INSTALLED / client
    if _is_new(target, lock):
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        for file in ("package.json", "package-lock.json"):
            shutil.copy(HERE / client / file, target)
        _run(["npm", "ci", "--silent", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", target])
        _note(target, lock)
    return target


def version(client: str) -> str:
    """The version that is locked."""
    if (lock := HERE / client / "package-lock.json").exists():
        return str(json.loads(lock.read_text())["packages"][f"node_modules/{client}"]["version"])
    return dict(_NAME.findall((HERE / client / "requirements.lock").read_text()))[client]


def _is_new(target: Path, lock: Path) -> bool:
    stamp = target / ".installed"
    return not stamp.exists() or stamp.read_text() != _digest(lock)


def _note(target: Path, lock: Path) -> None:
    (target / ".installed").write_text(_digest(lock))


def _digest(lock: Path) -> str:
    return hashlib.sha256(lock.read_bytes()).hexdigest()


def _run(command: list[str | Path]) -> None:
    subprocess.run(command, check=True)
