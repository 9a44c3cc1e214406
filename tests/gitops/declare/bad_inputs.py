"""Every mistake a declaration can hold, with the exact lines it is answered with. The table in the docs is made from it.

``CASES``: (name, files on top of a valid workspace, the lines). A value of ``None`` takes a file away. The infra is ``shop``.
"""

# ruff: noqa: E501  # a line of output is a line here
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True)
class Special:
    """An entry that is no plain file: its mode and, for a large file, its size."""

    mode: str = "100644"
    content: bytes = b""
    size: int | None = None


class Case(NamedTuple):
    """One bad input."""

    name: str
    files: Mapping[str, str | bytes | Special | None]
    lines: tuple[str, ...]


MAIN = "infra/shop/main.yaml"
HEAD = "settings: {provider: fake}\n"


def manifest(name: str, **more: str) -> dict[str, str | bytes | Special | None]:
    """A minimal extension."""
    text = f"name: {name}\nversion: 1.0.0\n" + "".join(f"{k}: {v}\n" for k, v in more.items())
    return {f"extensions/taskservs/{name}/manifest.yaml": text}


def main(text: str) -> dict[str, str | bytes | Special | None]:
    """main.yaml with the settings before ``text``; so ``text`` begins on line 2."""
    return {MAIN: HEAD + text}


def case(name: str, files: Mapping[str, str | bytes | Special | None], *lines: str) -> Case:
    """One row of the table."""
    return Case(name, files, lines)


def jsonnet(text: str, **more: str | bytes | Special | None) -> dict[str, str | bytes | Special | None]:
    """An infra whose main file is Jsonnet."""
    return {MAIN: None, "infra/shop/main.jsonnet": text, **more}


CASES: list[Case] = [
    # --- YAML ---
    case(
        "YAML syntax",
        main("servers:\n  web-01: {cpu_cores: 2\n"),
        "infra/shop/main.yaml:4:1: error: YAML syntax: did not find expected ',' or '}' while parsing a flow mapping; check indentation and quotes here and on the line before",
    ),
    case(
        "YAML: a colon too many",
        main("use: a: b\n"),
        "infra/shop/main.yaml:2:7: error: YAML syntax: mapping values are not allowed in this context; check indentation and quotes here and on the line before",
    ),
    case(
        "YAML: tab indentation",
        main("servers:\n\tweb-01: {}\n"),
        "infra/shop/main.yaml:3:1: error: YAML syntax: a character that cannot begin a value; indent with spaces, never tabs, and quote special text",
    ),
    case(
        "YAML: control character",
        main("extra: {a: \x07}\n"),
        "infra/shop/main.yaml:2:12: error: character U+0007 is not allowed: it cannot be seen; remove it",
    ),
    case(
        "YAML: text that turns around",
        main("extra: {a: user\u202e # nimda }\n"),
        "infra/shop/main.yaml:2:16: error: character U+202E is not allowed: it cannot be seen; remove it",
    ),
    case(
        "YAML: escaped control character",
        main('extra: {a: "\\e[2J"}\n'),
        "infra/shop/main.yaml:2:12: error: a value with character U+001B is not allowed: it cannot be seen; remove it; encode it as base64 if it must be",
    ),
    case(
        "YAML: a map as key",
        main("extra: {{a: 1}: 2}\n"),
        "infra/shop/main.yaml:2:9: error: a map or list cannot be a key; keys are text",
    ),
    case(
        "YAML: duplicate key",
        main("servers:\n  web-01:\n    cpu_cores: 2\n    cpu_cores: 4\n"),
        "infra/shop/main.yaml:5:5: error: key 'cpu_cores' is given twice; the first is on line 4; keep one of them",
    ),
    case(
        "YAML: alias bomb",
        main("extra:\n  a: &a [x, x]\n  b: &b [*a, *a]\n  c: [*b, *b]\n"),
        "infra/shop/main.yaml:3:6: error: anchor '&a' is not allowed; write the value out, or use Jsonnet to share it",
    ),
    case(
        "YAML: merge key",
        main("servers:\n  web-01:\n    <<: {cpu_cores: 2}\n"),
        "infra/shop/main.yaml:4:5: error: merge key '<<' is not allowed; write the keys out, or use Jsonnet to share them",
    ),
    case(
        "YAML: tag",
        main("extra: {a: !!python/object:os.system x}\n"),
        "infra/shop/main.yaml:2:12: error: tag '!!python/object:os.system' is not allowed; remove it; quote text that looks like a number",
    ),
    case(
        "YAML: several documents",
        main("---\nservers: {}\n"),
        "infra/shop/main.yaml:2:1: error: a second YAML document begins here; keep one document in a file",
    ),
    case(
        "YAML: nested too deep",
        main("extra: " + "{a: " * 70 + "1" + "}" * 70 + "\n"),
        "infra/shop/main.yaml:2:260: error: maps and lists are nested more than 64 deep; flatten it",
    ),
    case(
        "YAML: not a number that can be kept",
        main("extra: {a: .inf}\n"),
        "infra/shop/main.yaml:2:12: error: '.inf' is not a number that can be kept; quote it if text is meant",
    ),
    case(
        "YAML: number too large",
        main("extra: {account: 123456789012345678901}\n"),
        "infra/shop/main.yaml:2:18: error: 123456789012345678901 is too large a number; quote it, so that no digit is lost",
    ),
    case(
        "not UTF-8",
        {MAIN: b"settings: {provider: fake}\nextra: {name: caf\xe9}\n"},
        "infra/shop/main.yaml:2:18: error: byte 0xe9 is not UTF-8 text; save the file as UTF-8",
    ),
    case(
        "not a map",
        {MAIN: "- a\n- b\n"},
        "infra/shop/main.yaml:1:1: error: the declaration of an infra is a map; begin with settings:",
    ),
    # --- the tree ---
    case(
        "100 MB file",
        {"infra/shop/servers/web-01.yaml": Special(size=100_000_000)},
        "infra/shop/servers/web-01.yaml: error: 'infra/shop/servers/web-01.yaml' has 100000000 bytes and 4194304 are allowed; split it: each entry may have a file of its own",
    ),
    case(
        "symlink",
        {"infra/shop/servers/web-01.yaml": Special("120000", b"/etc/passwd")},
        "infra/shop/servers/web-01.yaml: error: 'infra/shop/servers/web-01.yaml' is a symlink; put a file in its place",
    ),
    case(
        "submodule",
        {"templates/shared": Special("160000")},
        "templates/shared: error: 'templates/shared' is a submodule; put the files themselves in the repository",
    ),
    case(
        "Git LFS pointer",
        {"infra/shop/servers/web-01.yaml": "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"},
        "infra/shop/servers/web-01.yaml: error: 'infra/shop/servers/web-01.yaml' is a Git LFS pointer; commit the file itself",
    ),
    case(
        "Git filter",
        {".gitattributes": "# lfs\n*.yaml filter=lfs text\n"},
        ".gitattributes:2:1: error: attribute 'filter=lfs' makes files differ from what is committed; remove the attribute",
    ),
    case(
        "path with ..",
        {"infra/shop/servers/../../x.yaml": "{}"},
        "infra/shop/servers/../../x.yaml: error: 'infra/shop/servers/../../x.yaml' is not an allowed path; rename it: plain text without control characters, backslashes, '..' and '.git'",
    ),
    case(
        "two files with the same stem",
        {"infra/shop/servers/web-01.yaml": "{}", "infra/shop/servers/web-01.jsonnet": "{}"},
        "infra/shop/servers/web-01.yaml: error: 'infra/shop/servers/web-01.yaml' and 'infra/shop/servers/web-01.jsonnet' are the same entry in two languages; keep one of them",
    ),
    case(
        "main in two languages",
        {"infra/shop/main.jsonnet": "{settings: {provider: 'fake'}}"},
        "infra/shop/main.yaml: error: 'infra/shop/main.yaml' and 'infra/shop/main.jsonnet' are the same entry in two languages; keep one of them",
    ),
    case(
        "misspelt folder",
        {"infra/shop/server/web-01.yaml": "{}"},
        "infra/shop/server/web-01.yaml: error: 'infra/shop/server/web-01.yaml' is read by nothing: an infra has no folder 'server'; did you mean 'servers'?",
    ),
    case(
        "file that nothing reads",
        {"infra/shop/extra.yaml": "{}"},
        "infra/shop/extra.yaml: error: 'infra/shop/extra.yaml' is read by nothing; put entries in main.yaml or directly in a folder such as servers/; shared Jsonnet ends in .libsonnet",
    ),
    case(
        "a language that is not read",
        {"infra/shop/servers/web-01.ncl": "{}"},
        "infra/shop/servers/web-01.ncl: error: 'infra/shop/servers/web-01.ncl' is in a language that is not read; write YAML or Jsonnet",
    ),
    case(
        "an environment in a language that is not read",
        {"environments/prod.toml": "class = 'prod'"},
        "environments/prod.toml: error: 'environments/prod.toml' is in a language that is not read; write YAML or Jsonnet",
    ),
    case(
        "a template too deep in its folder",
        {"templates/web/base.yaml": "{}"},
        "templates/web/base.yaml: error: 'templates/web/base.yaml' is read by nothing; put it directly in templates/; shared Jsonnet ends in .libsonnet",
    ),
    case(
        "misspelt folder of extensions",
        {"extensions/taskserv/nginx/manifest.yaml": "name: nginx"},
        "extensions/taskserv/nginx/manifest.yaml: error: 'extensions/taskserv/nginx/manifest.yaml' is read by nothing; did you mean 'taskservs'?",
    ),
    case(
        "no main file",
        {MAIN: None, "infra/shop/servers/web-01.yaml": "{}"},
        "infra/shop: error: infra 'shop' has no main.yaml or main.jsonnet; add infra/shop/main.yaml with settings: {provider: ...}",
    ),
    case(
        "no such infra",
        {MAIN: None, "infra/shops/main.yaml": HEAD},
        "infra: error: there is no infra 'shop'; did you mean 'shops'?",
    ),
    case("no infra at all", {MAIN: None}, "infra: error: there is no infra 'shop'; 'provisioning infra create NAME' makes one"),
    case(
        "empty repository",
        {MAIN: None, "workspace.yaml": None},
        "infra: error: there is no infra 'shop'; 'provisioning infra create NAME' makes one",
        "workspace.yaml: error: there is no workspace.yaml at the root; the commit is empty; 'provisioning init' fills it",
    ),
    case(
        "not a state repository",
        {"workspace.yaml": None},
        "workspace.yaml: error: there is no workspace.yaml at the root; this is not a state repository yet; 'provisioning init' makes one",
    ),
    # --- workspace and environment ---
    case(
        "newer format",
        {"workspace.yaml": "format: 2\nid: 0123456789abcdef\nname: test\nnews: 1\n"},
        "workspace.yaml:1:9: error: the repository has format 2 and this version reads formats up to 1; install a newer provisioning",
    ),
    case(
        "newer program wanted",
        {"workspace.yaml": "format: 1\nid: 0123456789abcdef\nname: test\nrequires_provisioning: '>=99.0'\n"},
        "workspace.yaml:4:24: error: the repository wants provisioning >=99.0 and this is 0.1.0; install a version that it accepts",
    ),
    case(
        "workspace without id",
        {"workspace.yaml": "format: 1\nname: test\n"},
        "workspace.yaml:1:1: error: 'id' is missing; add id",
    ),
    case(
        "unknown environment",
        {MAIN: "settings: {provider: fake, environment: stagin}\n"},
        "infra/shop/main.yaml:1:41: error: there is no environment 'stagin'; did you mean 'staging'?",
    ),
    case(
        "environment without class",
        {MAIN: "settings: {provider: fake, environment: eu}\n", "environments/eu.yaml": "clas: prod\n"},
        "environments/eu.yaml:1:1: error: 'class' is missing; add class",
        "environments/eu.yaml:1:1: error: unknown key 'clas'; did you mean 'class'?",
    ),
    case(
        "provider not allowed",
        {
            MAIN: "settings: {provider: local, environment: eu}\nservers: {web-01: {}}\n",
            "environments/eu.yaml": "class: prod\nallowed_providers: [cloud]\n",
        },
        "infra/shop/main.yaml:1:22: error: environment 'eu' does not allow provider 'local'; allowed are cloud",
    ),
    # --- shapes ---
    case(
        "unknown key",
        main("servers:\n  web-01:\n    cpu_core: 2\n"),
        "infra/shop/main.yaml:4:5: error: unknown key 'cpu_core' in servers.web-01; did you mean 'cpu_cores'?",
    ),
    case(
        "unknown key at the top",
        main("server: {}\n"),
        "infra/shop/main.yaml:2:1: error: unknown key 'server'; did you mean 'servers'?",
    ),
    case(
        "unknown key without a likeness",
        main("zzz: 1\n"),
        "infra/shop/main.yaml:2:1: error: unknown key 'zzz'; free data goes under 'extra' or a key that begins with 'x-'",
    ),
    case(
        "wrong type",
        main("servers:\n  web-01:\n    cpu_cores: four\n"),
        "infra/shop/main.yaml:4:16: error: servers.web-01.cpu_cores: expected int, got string 'four'; write a whole number",
    ),
    case(
        "number where text is wanted",
        main("servers: {web-01: {plan: 2}}\n"),
        "infra/shop/main.yaml:2:26: error: servers.web-01.plan: expected string, got int 2; quote it",
    ),
    case(
        "quoted number",
        main("servers: {web-01: {memory_gb: '8'}}\n"),
        "infra/shop/main.yaml:2:31: error: servers.web-01.memory_gb: expected int, got string '8'; remove the quotes",
    ),
    case(
        "negative cores",
        main("servers:\n  bad-server: {cpu_cores: -1, memory_gb: 8}\n"),
        "infra/shop/main.yaml:3:27: error: servers.bad-server.cpu_cores: CPU cores must be positive, got -1; a whole number from 1",
    ),
    case(
        "no memory",
        main("servers: {web-01: {cpu_cores: 2, memory_gb: 0}}\n"),
        "infra/shop/main.yaml:2:45: error: servers.web-01.memory_gb: Memory must be positive, got 0; a whole number of GB from 1",
    ),
    case(
        "plan and cores",
        main("servers: {web-01: {plan: small, cpu_cores: 2}}\n"),
        "infra/shop/main.yaml:2:19: error: servers.web-01: 'plan' and 'cpu_cores' both give the size; keep plan, or cpu_cores with memory_gb and disk_gb",
    ),
    case(
        "not a host name",
        main("servers: {Web_01: {}}\n"),
        "infra/shop/main.yaml:2:11: error: servers.Web_01: 'Web_01' is not a host name; lower-case letters, digits and '-', at most 63, beginning and ending with a letter or digit (RFC 1123)",
    ),
    case(
        "empty entry",
        main("servers:\n  web-01:\n"),
        "infra/shop/main.yaml:3:3: error: 'web-01' in servers has nothing behind it; write 'web-01: {}', or remove the line",
    ),
    case(
        "duplicate name in a list",
        main("servers:\n  - name: web-01\n  - {hostname: web-01}\n"),
        "infra/shop/main.yaml:4:5: error: 'web-01' is declared twice in servers; the first is on line 3; rename or remove one of them",
        "infra/shop/main.yaml:4:6: warning: 'hostname' is an old name; write 'name'",
    ),
    case(
        "duplicate name in two files",
        {**main("servers: {web-01: {}}\n"), "infra/shop/servers/web-01.yaml": "cpu_cores: 2\n"},
        "infra/shop/servers/web-01.yaml:1:1: error: 'web-01' is declared twice in servers; the first is at infra/shop/main.yaml:2:11; remove one",
    ),
    case(
        "entry without a name",
        main("servers:\n  - cpu_cores: 2\n"),
        "infra/shop/main.yaml:3:5: error: servers: an entry of the list has no name; add name",
    ),
    case(
        "file named otherwise",
        {"infra/shop/servers/web-01.yaml": "name: web-02\n"},
        "infra/shop/servers/web-01.yaml:1:7: error: the entry says it is named 'web-02' and the file says 'web-01'; rename the file, or remove the name",
    ),
    case(
        "old name",
        main("servers: {web-01: {cores: 2, cpu_cores: 4}}\n"),
        "infra/shop/main.yaml:2:20: error: 'cores' is the old name of 'cpu_cores', which is given too; remove 'cores'",
    ),
    case(
        "memory in MB that is no GB",
        main("servers: [{name: web-01, memory: 1500}]\n"),
        "infra/shop/main.yaml:2:26: warning: 'memory' is an old name; write 'memory_gb' (in GB)",
        "infra/shop/main.yaml:2:34: error: memory of 1500 MB is no whole number of GB; write memory_gb; 'memory' is read as MB",
    ),
    case("no settings", {MAIN: "servers: {}\n"}, "infra/shop/main.yaml:1:1: error: 'settings' is missing; add settings"),
    case(
        "missing key",
        main("volumes: {data: {}}\n"),
        "infra/shop/main.yaml:2:17: error: volumes.data: 'size_gb' is missing; add size_gb",
    ),
    case(
        "health check without port",
        main("taskservs: {nginx: {health: {type: tcp}}}\n"),
        "infra/shop/main.yaml:2:29: error: taskservs.nginx.health: a health check of type 'tcp' needs 'port'; add port",
    ),
    case(
        "unknown choice",
        main("servers: {web-01: {power: of}}\n"),
        "infra/shop/main.yaml:2:27: error: servers.web-01.power: 'of' is not one of 'on' or 'off'; did you mean 'off'?",
    ),
    case(
        "not a network",
        main("networks: {lan: {cidr: 10.0.0.5/24}}\n"),
        "infra/shop/main.yaml:2:24: error: networks.lan.cidr: '10.0.0.5/24' is not a network; such as 10.0.0.0/24, with no host bits set",
    ),
    # --- providers ---
    case(
        "unknown provider",
        {MAIN: "settings: {provider: clod}\nservers: {web-01: {}}\n"},
        "infra/shop/main.yaml:1:22: error: there is no provider 'clod'; did you mean 'cloud'?",
    ),
    case(
        "no zone",
        {MAIN: "settings: {provider: cloud}\nservers: {web-01: {plan: small}}\n"},
        "infra/shop/main.yaml:2:11: error: server 'web-01' has no zone and provider 'cloud' needs one; add zone to it or to settings",
    ),
    case(
        "no size",
        {MAIN: "settings: {provider: cloud, zone: eu}\nservers: {web-01: {cpu_cores: 2}}\n"},
        "infra/shop/main.yaml:2:11: error: server 'web-01' has neither a plan nor memory_gb; add plan, or cpu_cores with memory_gb and disk_gb",
    ),
    case(
        "unknown plan",
        {MAIN: "settings: {provider: cloud, zone: eu}\nservers: {web-01: {plan: smal}}\n"},
        "infra/shop/main.yaml:2:26: error: provider 'cloud' has no plan 'smal'; did you mean 'small'?",
    ),
    # --- taskservs and clusters ---
    case(
        "version latest",
        {**main("servers: {web-01: {taskservs: [nginx]}}\ntaskservs: {nginx: {version: latest}}\n"), **manifest("nginx")},
        "infra/shop/main.yaml:3:30: error: taskservs.nginx.version: version 'latest' does not name one version; such as 1.28.0, without 'v'; 'latest' is no version",
    ),
    case(
        "version that YAML reads as a number",
        {**main("servers: {web-01: {taskservs: [nginx]}}\ntaskservs: {nginx: {version: 15.0}}\n"), **manifest("nginx")},
        "infra/shop/main.yaml:3:30: error: taskservs.nginx.version: expected string, got number 15.0; quote it",
    ),
    case(
        "taskserv without an extension",
        {**main("servers: {web-01: {taskservs: [ngnix]}}\n"), **manifest("nginx")},
        "infra/shop/main.yaml:2:32: error: there is no taskserv 'ngnix'; did you mean 'nginx'?",
    ),
    case(
        "version without an extension",
        main("servers: {web-01: {taskservs: [redis]}}\ntaskservs: {redis: {version: 7.2.0}}\n"),
        "infra/shop/main.yaml:2:32: error: there is no taskserv 'redis'; add extensions/taskservs/redis/manifest.yaml",
    ),
    case(
        "taskserv bound to nothing",
        {**main("servers: {web-01: {}}\ntaskservs:\n  nginx: {version: 1.0.0}\n"), **manifest("nginx")},
        "infra/shop/main.yaml:4:3: error: taskserv 'nginx' is on no server; list it under the taskservs of a server, or set enabled: false",
    ),
    case(
        "unknown profile",
        {
            **main(
                "servers: {web-01: {taskservs: [{name: nginx, profile: larg}]}}\ntaskservs: {nginx: {profiles: {large: {}}}}\n"
            ),
            **manifest("nginx"),
        },
        "infra/shop/main.yaml:2:55: error: taskserv 'nginx' has no profile 'larg'; did you mean 'large'?",
    ),
    case(
        "unknown role",
        {**main("servers: {web-01: {taskservs: [{name: nginx, role: edge}]}}\n"), **manifest("nginx")},
        "infra/shop/main.yaml:2:52: error: taskserv 'nginx' has no role 'edge'; remove the role",
    ),
    case(
        "taskserv twice on a server",
        {**main("servers: {web-01: {taskservs: [nginx, {name: nginx}]}}\n"), **manifest("nginx")},
        "infra/shop/main.yaml:2:39: error: 'nginx' is on web-01 twice; it is also at servers.web-01.taskservs[0]",
    ),
    case(
        "cluster on an unknown server",
        {**main("servers: {web-01: {}}\nclusters: {web: {servers: [web-1], taskservs: [nginx]}}\n"), **manifest("nginx")},
        "infra/shop/main.yaml:3:28: error: cluster 'web' spans server 'web-1', which is not declared; did you mean 'web-01'?",
    ),
    case(
        "config against the schema",
        {
            **main(
                "servers: {web-01: {taskservs: [nginx]}}\ntaskservs:\n  nginx:\n    config: {prot: 80, workers: many, size: 0}\n"
            ),
            **manifest("nginx"),
            "extensions/taskservs/nginx/schema.json": '{"type": "object", "properties": {"port": {"type": "integer"}, "workers": {"type": "integer"}, "size": {"minimum": 1}}, "required": ["port"], "additionalProperties": false}',
        },
        "infra/shop/main.yaml:5:13: error: taskservs.nginx.config: 'port' is missing; add port",
        "infra/shop/main.yaml:5:14: error: unknown key 'prot' in taskservs.nginx.config; did you mean 'port'?",
        "infra/shop/main.yaml:5:33: error: taskservs.nginx.config.workers: expected int, got string; see extensions/taskservs/nginx/schema.json",
        "infra/shop/main.yaml:5:45: error: taskservs.nginx.config.size: 0 is less than the minimum of 1; see extensions/taskservs/nginx/schema.json",
    ),
    case(
        "schema from elsewhere",
        {
            **main("servers: {web-01: {taskservs: [nginx]}}\n"),
            **manifest("nginx"),
            "extensions/taskservs/nginx/schema.json": '{"$ref": "https://example.org/schema.json"}',
        },
        "extensions/taskservs/nginx/schema.json:1:1: error: the schema of taskserv 'nginx' refers to 'https://example.org/schema.json', which it does not hold; write JSON Schema draft 2020-12 that stands alone, with definitions below $defs",
    ),
    case(
        "schema without end",
        {
            **main("servers: {web-01: {taskservs: [nginx]}}\n"),
            **manifest("nginx"),
            "extensions/taskservs/nginx/schema.json": '{"$ref": "#"}',
        },
        "extensions/taskservs/nginx/schema.json:1:1: error: the schema of taskserv 'nginx' refers to itself without end; write JSON Schema draft 2020-12 that stands alone, with definitions below $defs",
    ),
    case(
        "schema that is no schema",
        {
            **main("servers: {web-01: {taskservs: [nginx]}}\n"),
            **manifest("nginx"),
            "extensions/taskservs/nginx/schema.json": '{"properties": {"port": {"type": "number of a door"}}}',
        },
        "extensions/taskservs/nginx/schema.json:1:1: error: the schema of taskserv 'nginx' is not a JSON Schema: properties.port.type: 'number of a door' is not valid under any of the given schemas; write JSON Schema draft 2020-12 that stands alone, with definitions below $defs",
    ),
    case(
        "schema that is no JSON",
        {**main(""), **manifest("nginx"), "extensions/taskservs/nginx/schema.json": '{"type": }'},
        "extensions/taskservs/nginx/schema.json:1:10: error: JSON syntax: expecting value; mend it there",
    ),
    case(
        "extension without a manifest",
        {**main(""), "extensions/taskservs/nginx/defaults.yaml": "{}"},
        "extensions/taskservs/nginx: error: extension 'nginx' has no manifest.yaml; add one with name and version",
    ),
    case(
        "manifest that names another",
        {**main(""), "extensions/taskservs/nginx/manifest.yaml": "name: ngnix\nversion: 1.0.0\n"},
        "extensions/taskservs/nginx/manifest.yaml:1:7: error: the manifest names 'ngnix' and the folder 'nginx'; rename one of them",
    ),
    case(
        "manifest version",
        {**main(""), "extensions/taskservs/nginx/manifest.yaml": "name: nginx\nversion: v1\n"},
        "extensions/taskservs/nginx/manifest.yaml:2:10: error: version: version 'v1' is not MAJOR.MINOR.PATCH; such as 1.28.0, without 'v'; 'latest' is no version",
    ),
    case(
        "manifest names a file that is not there",
        {**main(""), **manifest("nginx", scripts="{install: install.sh}")},
        "extensions/taskservs/nginx/manifest.yaml:3:20: error: extension 'nginx' has no scripts/install.sh; add the file, or remove the line",
    ),
    case(
        "manifest leads out of its folder",
        {**main(""), **manifest("nginx", scripts="{install: ../../x.sh}")},
        "extensions/taskservs/nginx/manifest.yaml:3:20: error: scripts.install: '../../x.sh' is not a path inside the folder; a relative path without '..'",
    ),
    case(
        "unknown template",
        {**main("use: [bas]\n"), "templates/base.yaml": "{}"},
        "infra/shop/main.yaml:2:7: error: there is no template 'bas'; did you mean 'base'?",
    ),
    # --- edges and references ---
    case(
        "unknown dependency",
        main("servers:\n  web-01: {depends_on: [server/db-01]}\n  db-02: {}\n"),
        "infra/shop/main.yaml:3:25: error: server/web-01 needs server/db-01, which is not declared; did you mean 'server/db-02'?",
    ),
    case(
        "unknown network",
        main("servers: {web-01: {networks: [lam]}}\nnetworks: {lan: {}}\n"),
        "infra/shop/main.yaml:2:31: error: server/web-01 needs network/lam, which is not declared; did you mean 'network/lan'?",
    ),
    case(
        "requirement nobody meets",
        {
            **main("servers: {web-01: {taskservs: [app]}}\n"),
            **manifest("app", requires="[databse]"),
            **manifest("pg", provides="[database]"),
        },
        "infra/shop/main.yaml:2:32: error: taskserv/web-01/app requires 'databse', which no extension is or provides; did you mean 'database'?",
    ),
    case(
        "requirement with two candidates",
        {
            **main("servers: {web-01: {taskservs: [app]}}\n"),
            **manifest("app", requires="[database]"),
            **manifest("pg", provides="[database]"),
            **manifest("maria", provides="[database]"),
        },
        "infra/shop/main.yaml:2:32: error: taskserv/web-01/app requires 'database' and several provide it: maria, pg; list one of them under the taskservs of server/web-01",
    ),
    case(
        "conflict",
        {
            **main("servers:\n  web-01:\n    taskservs: [docker, podman]\n"),
            **manifest("docker", conflicts="[podman]"),
            **manifest("podman"),
        },
        "infra/shop/main.yaml:4:17: error: 'docker' and 'podman' cannot both be on server/web-01: extension 'docker' declares the conflict; remove one of them, or put it on another server",
    ),
    case(
        "cycle of taskservs",
        {**main("servers:\n  web-01: {taskservs: [a, b]}\n"), **manifest("a", requires="[b]"), **manifest("b", requires="[a]")},
        "infra/shop/main.yaml:3:24: error: these wait for each other: taskserv/web-01/a -> taskserv/web-01/b -> taskserv/web-01/a; remove one of these dependencies",
    ),
    case(
        "cycle of servers",
        main("servers:\n  a: {depends_on: [server/b]}\n  b: {depends_on: [server/a]}\n"),
        "infra/shop/main.yaml:3:3: error: these wait for each other: server/a -> server/b -> server/a; remove one of these dependencies",
    ),
    case(
        "reference to nothing",
        main("servers:\n  web-01: {image: '${server/db-1.image}'}\n  db-01: {}\n"),
        "infra/shop/main.yaml:3:19: error: '${server/db-1.image}' in server/web-01 refers to nothing: server/db-1 is not declared; did you mean 'server/db-01'?",
    ),
    case(
        "reference written wrongly",
        main("servers:\n  web-01: {image: '${server.db-01.image}'}\n"),
        "infra/shop/main.yaml:3:19: error: '${server.db-01.image}' is not a reference; write ${kind/name.output}, such as ${server/web-01.private_ip}",
    ),
    case(
        "reference without an output",
        main("servers:\n  web-01: {image: '${server/db-01}'}\n"),
        "infra/shop/main.yaml:3:19: error: '${server/db-01}' is not a reference; write ${kind/name.output}, such as ${server/web-01.private_ip}",
    ),
    case(
        "reference to no kind",
        main("servers:\n  web-01: {image: '${serve/db-01.ip}'}\n"),
        "infra/shop/main.yaml:3:19: error: '${serve/db-01.ip}' names no kind of resource; did you mean 'server'?",
    ),
    case(
        "reference in the settings",
        {MAIN: "settings: {provider: fake, extra: {ip: '${server/web-01.ip}'}}\nservers: {web-01: {}}\n"},
        "infra/shop/main.yaml:1:40: error: settings cannot refer to 'server/web-01', which is made with them; write the value, or a secret://... reference",
    ),
    case(
        "secret of a provider that is not there",
        {MAIN: "settings: {provider: fake, provider_config: {fake: {token: 'secret://_shared/fake/token'}}}\n"},
        "infra/shop/main.yaml:1:60: error: 'secret://_shared/fake/token' refers to nothing: there is no secrets/_shared.enc.yaml; make it with sops",
    ),
    case(
        "secret written wrongly",
        main("servers:\n  web-01: {extra: {key: 'secret://db'}}\n"),
        "infra/shop/main.yaml:3:25: error: 'secret://db' is not a secret reference; write secret://<infra or _shared>/<domain>/<name>",
    ),
    case(
        "secret of another infra",
        main("servers:\n  web-01: {extra: {key: 'secret://bank/db/password'}}\n"),
        "infra/shop/main.yaml:3:25: error: 'secret://bank/db/password' is a secret of another infra; use secret://shop/... or secret://_shared/...",
    ),
    case(
        "secret without a file",
        main("servers:\n  web-01: {extra: {key: 'secret://_shared/db/password'}}\n"),
        "infra/shop/main.yaml:3:25: error: 'secret://_shared/db/password' refers to nothing: there is no secrets/_shared.enc.yaml; make it with sops",
    ),
    case(
        "secret that is not there",
        {
            **main("servers:\n  web-01: {extra: {key: 'secret://shop/db/pasword'}}\n"),
            "infra/shop/secrets.enc.yaml": "db: {password: 'ENC[AES256_GCM,data:x]'}\nsops: {version: 3.9.0}\n",
        },
        "infra/shop/main.yaml:3:25: error: 'secret://shop/db/pasword' refers to nothing: the secrets file has no db.pasword; did you mean 'db.password'?",
    ),
    # --- Jsonnet ---
    case(
        "Jsonnet syntax",
        jsonnet("{\n  settings: {provider: 'fake'\n"),
        "infra/shop/main.jsonnet:3:1: error: Jsonnet: expected a comma before next field; mend the expression there",
    ),
    case(
        "Jsonnet error in an import",
        jsonnet(
            "import 'lib/base.libsonnet'",
            **{"infra/shop/lib/base.libsonnet": "{\n  settings: {provider: error 'choose one'},\n}\n"},
        ),
        "infra/shop/lib/base.libsonnet:2:24: error: Jsonnet: choose one; mend the expression there",
    ),
    case(
        "Jsonnet: unknown field",
        jsonnet("local a = {b: 1};\n{settings: {provider: a.c}}\n"),
        "infra/shop/main.jsonnet:2:23: error: Jsonnet: field does not exist: c; mend the expression there",
    ),
    case(
        "endless Jsonnet recursion",
        jsonnet("local f(x) = 1 + f(x);\nf(0)\n"),
        "infra/shop/main.jsonnet:1:18: error: calls are nested more than 400 deep; look for a recursion that never ends",
    ),
    case(
        "endless Jsonnet loop",
        jsonnet("local f(n) = if n == 0 then 0 else f(n - 1) + f(n - 1);\nf(60)"),
        "infra/shop/main.jsonnet:1:1: error: evaluating it takes more than 5 s of processor time; look for a loop that never ends",
    ),
    case(
        "Jsonnet number too large",
        jsonnet("{settings: {provider: 'fake'}, extra: {account: 1e30}}"),
        "infra/shop/main.jsonnet:1:1: error: the value it gives cannot be kept: 1000000000000000019884624838656 is too large a number; change what the expression gives",
    ),
    case(
        "Jsonnet value with a control character",
        jsonnet("{settings: {provider: 'fake'}, extra: {a: '\\u001b[2J'}}"),
        "infra/shop/main.jsonnet:1:1: error: the value it gives cannot be kept: a text in it has character U+001B, which cannot be seen; change what the expression gives",
    ),
    case(
        "Jsonnet importstr of an absolute path",
        jsonnet("{a: importstr '/etc/hostname'}"),
        "infra/shop/main.jsonnet:1:5: error: import '/etc/hostname' is an absolute path; import from the infra's own folder, templates/, environments/ or extensions/",
    ),
    case(
        "Jsonnet that eats memory",
        jsonnet("std.foldl(function(a, b) a + a, std.range(0, 60), 'xxxxxxxx')"),
        "infra/shop/main.jsonnet:1:1: error: evaluating it takes more than 512 MiB of memory; look for a value that grows without end",
    ),
    case(
        "Jsonnet import by absolute path",
        jsonnet("import '/etc/hostname'"),
        "infra/shop/main.jsonnet:1:1: error: import '/etc/hostname' is an absolute path; import from the infra's own folder, templates/, environments/ or extensions/",
    ),
    case(
        "Jsonnet import outside the repository",
        jsonnet("{\n  a: importstr '../../../etc/hostname',\n}\n"),
        "infra/shop/main.jsonnet:2:6: error: import '../../../etc/hostname' leads out of the repository; import from the infra's own folder, templates/, environments/ or extensions/",
    ),
    case(
        "Jsonnet import of another infra",
        jsonnet("import '../bank/main.jsonnet'", **{"infra/bank/main.jsonnet": "{}"}),
        "infra/shop/main.jsonnet:1:1: error: import '../bank/main.jsonnet' is not among the files that may be imported (infra/bank/main.jsonnet); import from the infra's own folder, templates/, environments/ or extensions/",
    ),
    case(
        "Jsonnet import of a symlink",
        jsonnet("import 'link.libsonnet'", **{"infra/shop/link.libsonnet": Special("120000", b"/etc/hostname")}),
        "infra/shop/link.libsonnet: error: 'infra/shop/link.libsonnet' is a symlink; put a file in its place",
        "infra/shop/main.jsonnet:1:1: error: import 'link.libsonnet' is a symlink; import from the infra's own folder, templates/, environments/ or extensions/",
    ),
    case(
        "Jsonnet value: wrong type",
        jsonnet("{settings: {provider: 'fake'}, servers: {'web-01': {cpu_cores: 'four'}}}"),
        "infra/shop/main.jsonnet:1:1: error: servers.web-01.cpu_cores: expected int, got string 'four'; write a whole number",
    ),
    case(
        "Jsonnet value too deep",
        jsonnet("local f(n) = if n == 0 then 1 else [f(n - 1)];\nf(100)"),
        "infra/shop/main.jsonnet:1:1: error: the value it gives cannot be kept: maps and lists are nested more than 64 deep; change what the expression gives",
    ),
]
