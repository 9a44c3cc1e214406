"""``infra/<name>/``: the merged declaration of one infra."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from gitops.schema.base import (
    SHORT,
    Address,
    Cores,
    DiskGb,
    DnsName,
    Free,
    Label,
    MemoryGb,
    Name,
    Port,
    Seconds,
    Strict,
    Version,
    problem,
)


class Lifecycle(Strict):
    prevent_destroy: bool = False
    """Refuse every plan that would delete or replace it."""
    create_before_destroy: bool = False
    """When it must be replaced, make the new one first."""
    ignore_changes: list[str] = []
    """Dotted keys whose changes are left alone."""
    moved_from: str | None = None
    """Its former address or name: renames the record instead of making it anew."""


class Attachment(Strict):
    name: Name
    address: str | None = None
    """A fixed address in the network."""
    mount: str | None = None
    """Where a volume is mounted."""


class TaskservUse(Strict):
    name: Name
    profile: Name | None = None
    """One of the profiles of the taskserv."""
    role: Name | None = None
    """One of the roles its extension knows, such as control-plane."""
    config: Free | None = None
    """Laid over the taskserv's config on this server only."""


class Need(Strict):
    name: Name
    wait_for_health: bool = True
    """False: applied is enough, it need not be healthy."""
    roles: list[Name] = []
    """Only in these roles (none: in all)."""
    anywhere: bool = False
    """Any server of the infra will do, else it must be on the same server."""


class Health(Strict):
    type: Literal["http", "tcp", "command", "file", "none"]
    url: str | None = None
    port: Port | str | None = None
    command: list[str] | None = None
    path: str | None = None
    interval_seconds: Annotated[int, Field(ge=1)] = 10
    timeout_seconds: Annotated[int, Field(ge=1)] = 5
    retries: Annotated[int, Field(ge=1)] = 3
    start_period_seconds: Seconds = 0

    @model_validator(mode="after")
    def _complete(self) -> Health:
        needed = {"http": ("url",), "tcp": ("port",), "command": ("command",), "file": ("path",)}.get(self.type, ())
        for name in needed:
            if getattr(self, name) is None:
                raise problem("missing-key", f"a health check of type '{self.type}' needs '{name}'", f"add {name}")
        return self


class Backup(Strict):
    id: str | None = None
    frequency: str = "daily"
    """daily, hourly, every-6h ..., as the provider knows it."""
    retention_days: Annotated[int, Field(ge=1)] = 7


class Common(Strict):
    """What every resource may say."""

    enabled: bool = True
    """False equals not declared."""
    provider: Name | None = None
    """Instead of settings.provider."""
    labels: dict[str, str] = {}
    depends_on: list[Address] = []
    """Addresses that come first, beyond what follows by itself."""
    lifecycle: Lifecycle = Lifecycle()
    provider_config: Free = {}
    """Options that only the provider understands."""
    extra: Free = {}
    """Your own data: kept, never interpreted."""


class Server(Common):
    zone: str | None = None
    plan: str | None = None
    """A size by the provider's name for it; instead of cpu_cores, memory_gb and disk_gb."""
    cpu_cores: Cores | None = None
    memory_gb: MemoryGb | None = None
    disk_gb: DiskGb | None = None
    image: str | None = None
    power: Literal["on", "off"] = "on"
    networks: list[Annotated[Attachment, *SHORT]] = []
    volumes: list[Annotated[Attachment, *SHORT]] = []
    backups: list[Backup] = []
    taskservs: list[Annotated[TaskservUse, *SHORT]] = []
    """What runs on it: names, or {name, profile, role}."""

    @model_validator(mode="after")
    def _one_size(self) -> Server:
        sizes = [k for k in ("cpu_cores", "memory_gb", "disk_gb") if getattr(self, k) is not None]
        if self.plan is not None and sizes:
            raise problem(
                "value", f"'plan' and '{sizes[0]}' both give the size", "keep plan, or cpu_cores with memory_gb and disk_gb"
            )
        return self


class Profile(Strict):
    config: Free = {}
    """Laid over the taskserv's config where this profile is used."""
    version: Version | None = None


class Taskserv(Strict):
    version: Version | None = None
    enabled: bool = True
    """False equals not declared."""
    requires: list[Annotated[Need, *SHORT]] = []
    """Beyond what its extension requires."""
    optional: list[Name] = []
    """Comes after these where they are on the same server."""
    conflicts: list[Name] = []
    provides: list[Name] = []
    wait_for_health: bool | None = None
    """False: what requires it need not wait until it is healthy."""
    health: Health | None = None
    """Instead of its extension's check."""
    config: Free = {}
    profiles: dict[Name, Profile] = {}
    labels: dict[str, str] = {}
    lifecycle: Lifecycle = Lifecycle()
    extra: Free = {}


class Cluster(Strict):
    enabled: bool = True
    version: Version | None = None
    servers: list[Label]
    """The servers it spans."""
    taskservs: list[Annotated[TaskservUse, *SHORT]] = []
    """Its components, put on each of its servers; the one named like the cluster when empty."""
    config: Free = {}
    """Laid over the config of the component that is named like the cluster."""
    labels: dict[str, str] = {}
    depends_on: list[Address] = []
    lifecycle: Lifecycle = Lifecycle()
    extra: Free = {}


def _cidr(value: str) -> str:
    try:
        ipaddress.ip_network(value)
    except ValueError:
        raise problem("value", f"'{value}' is not a network", "such as 10.0.0.0/24, with no host bits set") from None
    return value


class Network(Common):
    zone: str | None = None
    cidr: Annotated[str, AfterValidator(_cidr)] | None = None


class Volume(Common):
    zone: str | None = None
    size_gb: DiskGb
    type: str | None = None


class Listener(Strict):
    port: Port
    target_port: Port | None = None
    protocol: Literal["http", "https", "tcp"] = "tcp"


class LoadBalancer(Common):
    zone: str | None = None
    plan: str | None = None
    algorithm: Literal["round_robin", "least_connections", "source"] = "round_robin"
    listeners: list[Listener] = []
    servers: list[Label] = []
    """Where it sends requests."""
    health: Health | None = None


class Record(Common):
    type: Literal["A", "AAAA", "CAA", "CNAME", "MX", "NS", "SRV", "TXT"] = "A"
    values: list[str]
    """Addresses or texts; references such as ${server/web-01.public_ip} are filled in."""
    ttl_seconds: Annotated[int, Field(ge=1)] = 300


class Settings(Strict):
    """The infra's defaults."""

    provider: Name
    environment: Name = "dev"
    zone: str | None = None
    image: str | None = None
    driver: Literal["process", "container"] | None = None
    """For provider local: how a server is made (unset: process)."""
    labels: dict[str, str] = {}
    """Added to the labels of every resource that a provider makes."""
    provider_config: dict[str, Free] = {}
    """Provider name to what its connection needs (no secrets: secret://... references)."""
    description: str = ""
    extra: Free = {}


class Infra(Strict):
    """main.yaml with its layers merged. Maps keyed by name may also be lists of entries with a name."""

    settings: Settings
    use: list[Name] = []
    """Templates to lay below this declaration: templates/<name>.yaml, in this order."""
    servers: dict[Label, Server] = {}
    taskservs: dict[Name, Taskserv] = {}
    clusters: dict[Name, Cluster] = {}
    networks: dict[Name, Network] = {}
    volumes: dict[Name, Volume] = {}
    load_balancers: dict[Name, LoadBalancer] = {}
    dns: dict[DnsName, Record] = {}
    extra: Free = {}
    """Your own data: kept, never interpreted."""
