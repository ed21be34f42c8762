"""Reads compose.yaml and the Dockerfile as they are in the repository."""

import re
from pathlib import Path

import yaml
from compose.specification import Compose

ROOT = Path(__file__).parents[2]


def compose(**variables):
    """The file after interpolation and merging; without the extensions, which Compose ignores too."""
    text = re.sub(r"\$\{(\w+):-([^}]*)\}", lambda found: variables.get(found[1], found[2]), (ROOT / "compose.yaml").read_text())
    document = {name: value for name, value in yaml.safe_load(text).items() if not name.startswith("x-")}
    return Compose.model_validate(document)


def dockerfile():
    """Its instructions as (name, arguments), continued lines joined."""
    lines = (ROOT / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
    return [tuple(line.split(None, 1)) for line in lines if line and not line.startswith("#")]


def image_environment():
    return dict(arguments.split("=", 1) for name, arguments in dockerfile() if name == "ENV")


def env_file(name):
    lines = (ROOT / name).read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def in_order(services):
    """The names of the services, each after those it depends on."""
    waiting, ordered = dict(services), []
    while waiting:
        ready = [name for name, service in waiting.items() if not set(service.depends_on) & set(waiting)]
        assert ready, f"these depend on each other: {sorted(waiting)}"
        ordered += ready
        for name in ready:
            del waiting[name]
    return ordered
