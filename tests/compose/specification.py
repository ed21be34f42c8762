"""The part of the Compose specification that compose.yaml uses: what is not here is refused, be it only misspelt."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel

Duration = Annotated[str, Field(pattern=r"^(\d+(us|ms|s|m|h))+$")]
Bytes = Annotated[str, Field(pattern=r"^\d+[KMG]$")]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
Volume = Annotated[str, Field(pattern=r"^([a-z][a-z_]*|\./[\w./-]+):/[\w./-]+(:ro)?$")]
Port = Annotated[str, Field(pattern=r"^127\.0\.0\.1:\d+:\d+$")]
"""Published on loopback only: whoever wants more puts a proxy that speaks TLS in front."""


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class EnvFile(Strict):
    path: str
    required: bool


class Dependency(Strict):
    condition: Literal["service_started", "service_healthy", "service_completed_successfully"]


class Test(RootModel[list[str]]):
    @property
    def command(self):
        """As it is executed; a shell's with the dollar signs that Compose leaves."""
        kind, *arguments = self.root
        return arguments if kind == "CMD" else ["/bin/sh", "-c", arguments[0].replace("$$", "$")]


class Healthcheck(Strict):
    test: Test
    interval: Duration
    timeout: Duration
    retries: int
    start_period: Duration


class Limits(Strict):
    memory: Bytes


class Resources(Strict):
    limits: Limits


class Deploy(Strict):
    resources: Resources


class Service(Strict):
    image: str
    build: str | None = None
    command: list[str] = []
    restart: Literal["no", "always", "on-failure", "unless-stopped"]
    read_only: bool = False
    tmpfs: list[str] = []
    cap_drop: list[str] = []
    security_opt: list[str] = []
    env_file: list[EnvFile] = []
    environment: dict[str, str] = {}
    secrets: list[Name] = []
    volumes: list[Volume] = []
    ports: list[Port] = []
    profiles: list[Name] = []
    depends_on: dict[Name, Dependency] = {}
    healthcheck: Healthcheck | None = None
    stop_grace_period: Duration | None = None
    deploy: Deploy


class Secret(Strict):
    file: str


class Empty(Strict):
    pass


class Compose(Strict):
    name: Name
    services: dict[Name, Service]
    volumes: dict[Name, Empty]
    secrets: dict[Name, Secret]
