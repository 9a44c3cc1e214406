"""``infra/<name>/``: the merged declaration of one infra."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from gitops.schema.base import (
    SHORT,
    Address,
    Cause,
    Cores,
    DiskGb,
    DnsName,
    Free,
    Label,
    MemoryGb,
    Name,
    Pattern,
    Port,
    Seconds,
    Strict,
    Version,
    problem,
)


class Lifecycle(Strict):
    """How a resource may be changed."""

    prevent_destroy: bool = False
    """Refuse every plan that would delete or replace it."""
    create_before_destroy: bool = False
    """When it must be replaced, make the new one first."""
    ignore_changes: list[str] = []
    """Dotted keys whose changes are left alone."""
    ignore_drift: list[str] = []
    """Dotted keys that are set as declared and then belong to somebody else, such as an autoscaler."""
    replace_triggered_by: list[Cause] = []
    """Addresses (server/db-01), or keys of them (server/db-01#image), whose change makes this one anew."""
    import_id: str | None = None
    """The provider's id of what is there already: taken in instead of making another, once."""
    moved_from: str | None = None
    """Its former address or name: renames the record instead of making it anew."""


class Attachment(Strict):
    """A network or volume of a server."""

    name: Name
    """The network or volume, as this infra declares it."""
    address: str | None = None
    """A fixed address in the network."""
    mount: str | None = None
    """Where a volume is mounted."""


class TaskservUse(Strict):
    """One taskserv on one server."""

    name: Name
    """The taskserv: the folder of its extension."""
    profile: Name | None = None
    """One of the profiles of the taskserv."""
    role: Name | None = None
    """One of the roles its extension knows, such as control-plane."""
    config: Free | None = None
    """Laid over the taskserv's config on this server only."""


class Need(Strict):
    """Something that must be there first."""

    name: Name
    """A taskserv, or a capability that one provides."""
    wait_for_health: bool = True
    """False: applied is enough, it need not be healthy."""
    roles: list[Name] = []
    """Only in these roles (none: in all)."""
    anywhere: bool = False
    """Any server of the infra will do, else it must be on the same server."""


class Health(Strict):
    """How a taskserv is asked whether it works."""

    type: Literal["http", "tcp", "command", "file", "none"]
    """What is asked: an http url, a tcp port, a command's success, a file's presence, or nothing."""
    url: str | None = None
    """For http: any answer below 400 is healthy."""
    port: Port | str | None = None
    """For tcp: a number, or a Jinja text that gives one."""
    command: list[str] | None = None
    """For command: an argument list, run on the server."""
    path: str | None = None
    """For file: it must be there."""
    interval_seconds: Annotated[int, Field(ge=1)] = 10
    """Between two tries."""
    timeout_seconds: Annotated[int, Field(ge=1)] = 5
    """For one try."""
    retries: Annotated[int, Field(ge=1)] = 3
    """Failed tries in a row that make it unhealthy."""
    start_period_seconds: Seconds = 0
    """How long failures count for nothing after a start."""

    @model_validator(mode="after")
    def _complete(self) -> Health:
        needed = {"http": ("url",), "tcp": ("port",), "command": ("command",), "file": ("path",)}.get(self.type, ())
        for name in needed:
            if getattr(self, name) is None:
                raise problem("missing-key", f"a health check of type '{self.type}' needs '{name}'", f"add {name}")
        return self


class Backup(Strict):
    """One schedule of backups."""

    id: str | None = None
    """The provider's own id of the schedule, where it has one."""
    frequency: str = "daily"
    """daily, hourly, every-6h ..., as the provider knows it."""
    retention_days: Annotated[int, Field(ge=1)] = 7
    """How long one is kept."""


class Common(Strict):
    """What every resource may say."""

    enabled: bool = True
    """False equals not declared."""
    provider: Name | None = None
    """Instead of settings.provider."""
    labels: dict[str, str] = {}
    """Key to text; laid over settings.labels."""
    depends_on: list[Address] = []
    """Addresses that come first, beyond what follows by itself."""
    lifecycle: Lifecycle = Lifecycle()
    provider_config: Free = {}
    """Options that only the provider understands."""
    extra: Free = {}
    """Your own data: kept, never interpreted."""


class Server(Common):
    """A machine: real, virtual, or a folder of this one."""

    zone: str | None = None
    """Where it stands, instead of settings.zone."""
    plan: str | None = None
    """A size by the provider's name for it; instead of cpu_cores, memory_gb and disk_gb."""
    cpu_cores: Cores | None = None
    """Cores, from 1."""
    memory_gb: MemoryGb | None = None
    """Memory in GB, from 1."""
    disk_gb: DiskGb | None = None
    """System disk in GB, from 1."""
    image: str | None = None
    """The operating system's image, instead of settings.image."""
    power: Literal["on", "off"] = "on"
    """Whether it runs."""
    networks: list[Annotated[Attachment, *SHORT]] = []
    """Networks it is in: names, or {name, address}."""
    volumes: list[Annotated[Attachment, *SHORT]] = []
    """Volumes attached to it: names, or {name, mount}."""
    backups: list[Backup] = []
    """Schedules by which its provider backs it up."""
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
    """A variant of a taskserv."""

    config: Free = {}
    """Laid over the taskserv's config where this profile is used."""
    version: Version | None = None
    """Instead of the taskserv's version."""


class Taskserv(Strict):
    """A service as this infra wants it."""

    version: Version | None = None
    """The version to install, instead of its extension's."""
    enabled: bool = True
    """False equals not declared."""
    requires: list[Annotated[Need, *SHORT]] = []
    """Beyond what its extension requires."""
    optional: list[Name] = []
    """Comes after these where they are on the same server."""
    conflicts: list[Name] = []
    """What cannot be on the same server, beyond what its extension says."""
    provides: list[Name] = []
    """Capabilities others may require, beyond what its extension provides."""
    wait_for_health: bool | None = None
    """False: what requires it need not wait until it is healthy."""
    health: Health | None = None
    """Instead of its extension's check."""
    config: Free = {}
    """Its settings, checked against its extension's schema.json; laid over defaults.yaml."""
    profiles: dict[Name, Profile] = {}
    """Named variants that a server may choose."""
    labels: dict[str, str] = {}
    """Key to text."""
    lifecycle: Lifecycle = Lifecycle()
    extra: Free = {}
    """Your own data: kept, never interpreted."""


class Cluster(Strict):
    """Components deployed together on several servers."""

    enabled: bool = True
    """False equals not declared."""
    version: Version | None = None
    """Of the whole, where it has one."""
    servers: list[Label]
    """The servers it spans."""
    taskservs: list[Annotated[TaskservUse, *SHORT]] = []
    """Its components, put on each of its servers; the one named like the cluster when empty."""
    config: Free = {}
    """Laid over the config of the component that is named like the cluster."""
    labels: dict[str, str] = {}
    """Key to text."""
    depends_on: list[Address] = []
    """Addresses that come first, beyond its components."""
    lifecycle: Lifecycle = Lifecycle()
    extra: Free = {}
    """Your own data: kept, never interpreted."""


def _cidr(value: str) -> str:
    try:
        ipaddress.ip_network(value)
    except ValueError:
        raise problem("value", f"'{value}' is not a network", "such as 10.0.0.0/24, with no host bits set") from None
    return value


class Network(Common):
    """A private network."""

    zone: str | None = None
    """Where it is, instead of settings.zone."""
    cidr: Annotated[str, AfterValidator(_cidr)] | None = None
    """Its range of addresses, such as 10.0.0.0/24."""


class Volume(Common):
    """Storage of its own."""

    zone: str | None = None
    """Where it is, instead of settings.zone."""
    size_gb: DiskGb
    """Size in GB, from 1."""
    type: str | None = None
    """The provider's name for the kind of storage."""


class Listener(Strict):
    """One port of a load balancer."""

    port: Port
    """The port that is listened on."""
    target_port: Port | None = None
    """The servers' port (unset: the same)."""
    protocol: Literal["http", "https", "tcp"] = "tcp"
    """What is spoken on it."""


class LoadBalancer(Common):
    """Spreads requests over servers."""

    zone: str | None = None
    """Where it is, instead of settings.zone."""
    plan: str | None = None
    """A size by the provider's name for it."""
    algorithm: Literal["round_robin", "least_connections", "source"] = "round_robin"
    """How a server is chosen."""
    listeners: list[Listener] = []
    """What it listens on."""
    servers: list[Label] = []
    """Where it sends requests."""
    health: Health | None = None
    """When a server gets requests."""


class Record(Common):
    """A DNS record."""

    type: Literal["A", "AAAA", "CAA", "CNAME", "MX", "NS", "SRV", "TXT"] = "A"
    """Type of the record."""
    values: list[str]
    """Addresses or texts; references such as ${server/web-01.public_ip} are filled in."""
    ttl_seconds: Annotated[int, Field(ge=1)] = 300
    """How long others may keep the answer."""


class Settings(Strict):
    """The infra's defaults."""

    provider: Name
    """Who makes the resources that name none."""
    environment: Name = "dev"
    """Its class decides what is asked before something changes: environments/<name>.yaml, or dev, test, staging, prod."""
    zone: str | None = None
    """Where resources that name none stand; providers fake and local need none."""
    image: str | None = None
    """For servers that name none."""
    driver: Literal["process", "container"] | None = None
    """For provider local: how a server is made (unset: process)."""
    labels: dict[str, str] = {}
    """Added to the labels of every resource that a provider makes."""
    ignore_drift: dict[Pattern, list[str]] = {}
    """Address pattern (server/web-*) to dotted keys, added to lifecycle.ignore_drift of what it fits."""
    provider_config: dict[str, Free] = {}
    """Provider name to what its connection needs (no secrets: secret://... references)."""
    description: str = ""
    """For people."""
    extra: Free = {}
    """Your own data: kept, never interpreted."""


class Infra(Strict):
    """main.yaml with its layers merged. Maps keyed by name may also be lists of entries with a name."""

    settings: Settings
    use: list[Name] = []
    """Templates to lay below this declaration: templates/<name>.yaml, in this order."""
    servers: dict[Label, Server] = {}
    """Servers by host name."""
    taskservs: dict[Name, Taskserv] = {}
    """Versions and settings of what runs on servers, by name."""
    clusters: dict[Name, Cluster] = {}
    """Taskservs that span servers, by name."""
    networks: dict[Name, Network] = {}
    """Networks by name."""
    volumes: dict[Name, Volume] = {}
    """Volumes by name."""
    load_balancers: dict[Name, LoadBalancer] = {}
    """Load balancers by name."""
    dns: dict[DnsName, Record] = {}
    """DNS records by name."""
    forget: list[Address] = []
    """Addresses that are no longer declared and leave the record without being removed."""
    extra: Free = {}
    """Your own data: kept, never interpreted."""
