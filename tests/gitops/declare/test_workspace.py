"""What all infras share: the workspace's own file and the environments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

import gitops
from gitops.declare.source import read, read_workspace
from gitops.declare.workspace import environment_of, workspace_of
from gitops.schema.workspace import FORMAT, Identity, LedgerConfig, WorkspaceConfig
from planners.model import Approvals, Budget, Environment, EnvironmentClass, Limits
from planners.problems import Where

State = Callable[[Mapping[str, Any]], Any]
HEAD = "format: 1\nid: 0123456789abcdef\nname: acme\n"


@pytest.fixture
def workspace(state: State) -> Callable[[str], Any]:
    return lambda text: workspace_of(read_workspace(state({"workspace.yaml": text}), "HEAD"))


def test_defaults_are_filled_in(workspace: Callable[[str], Any]) -> None:
    assert workspace(HEAD) == WorkspaceConfig("0123456789abcdef", "acme")


def test_everything_said_arrives(workspace: Callable[[str], Any]) -> None:
    text = HEAD + (
        "remote: ssh://git@example.org/state\nprotected_branch: trunk\nrequires_provisioning: '>=0.1, <99'\n"
        "identities: [{name: ada, emails: [ada@example.org], teams: [ops], keys: [ssh-ed25519 AAAA]}]\n"
        "ledger: {lease_seconds: 30, grace_seconds: 5, window: 200, flush_seconds: 15}\nx-own: 1\nextra: {a: 1}\n"
    )
    assert workspace(text) == WorkspaceConfig(
        "0123456789abcdef",
        "acme",
        1,
        "ssh://git@example.org/state",
        "trunk",
        ">=0.1, <99",
        (Identity("ada", ("ada@example.org",), ("ops",), ("ssh-ed25519 AAAA",)),),
        LedgerConfig(30, 5, 200, 15),
    )


def test_a_newer_format_is_named_before_anything_else_is_judged(workspace: Callable[[str], Any]) -> None:
    (problem,) = workspace(f"format: {FORMAT + 1}\nnews: 1\n")
    assert (problem.code, problem.where) == ("newer-format", Where("workspace.yaml", 1, 9))


@pytest.mark.parametrize("format_", ["true", "'2'", "0"])
def test_a_format_that_is_none_is_not_a_newer_one(format_: str, workspace: Callable[[str], Any]) -> None:
    assert "newer-format" not in {p.code for p in workspace(HEAD.replace("format: 1", f"format: {format_}"))}


@pytest.mark.parametrize("wanted", [">=0.1", "<99", "==0.1.0", "!=9", ">0.0.9", "<=0.1.0", " >=0.1 , <2 ", ">=0.1,"])
def test_versions_that_accept_this_one(wanted: str, workspace: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gitops, "__version__", "0.1.0")
    assert isinstance(workspace(f"{HEAD}requires_provisioning: '{wanted}'\n"), WorkspaceConfig)


@pytest.mark.parametrize(
    ("wanted", "code"),
    [(">=0.2", "newer-format"), ("<0.1", "newer-format"), (">=0.1, <0.1", "newer-format"), ("0.1", "value"), ("~=0.1", "value")],
)
def test_versions_that_do_not(wanted: str, code: str, workspace: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gitops, "__version__", "0.1.0")
    (problem,) = workspace(f"{HEAD}requires_provisioning: '{wanted}'\n")
    assert (problem.code, problem.where.line) == (code, 4)


def test_a_file_that_is_missing_or_no_yaml_gives_no_config(state: State, workspace: Callable[[str], Any]) -> None:
    assert workspace_of(read_workspace(state({"workspace.yaml": None}), "HEAD")) == ()
    assert [p.code for p in workspace("{")] == ["yaml-syntax"]
    assert {p.code for p in workspace("[]")} == {"wrong-type"}


def environment(state: State, name: str, files: Mapping[str, Any]) -> Any:
    return environment_of(read(state(files), "HEAD", ""), name, Where("infra/shop/main.yaml", 1, 1))


@pytest.mark.parametrize("name", [c.value for c in EnvironmentClass])
def test_an_environment_named_like_a_class_needs_no_file(name: str, state: State) -> None:
    assert environment(state, name, {}) == Environment(name, EnvironmentClass(name))


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (
            "environments/eu.yaml",
            "class: prod\ndeletion_budget: 2\napprovals: {count: 2, teams: [ops]}\nallowed_providers: [fake]\n",
        ),
        (
            "environments/eu.jsonnet",
            "{class: 'prod', deletion_budget: 1 + 1, approvals: {count: 2, teams: ['ops']}, allowed_providers: ['fake']}",
        ),
    ],
)
def test_a_file_says_what_an_environment_allows(path: str, text: str, state: State) -> None:
    found = environment(state, "eu", {path: text})
    assert found == Environment("eu", EnvironmentClass.PROD, 2, Approvals(2, ("ops",)), ("fake",))


def test_a_file_says_how_much_an_infra_may_come_to(state: State) -> None:
    text = "class: dev\nlimits: {servers: 3, storage_gb: 0}\nbudget: {monthly: 500, currency: EUR}\nrequired_labels: [team]\n"
    found = environment(state, "eu", {"environments/eu.yaml": text})
    assert found.limits == Limits(servers=3, storage_gb=0, labels=("team",))
    assert found.budget == Budget(500, "EUR", 80)


def test_a_file_wins_over_the_class_of_its_name(state: State) -> None:
    assert environment(state, "dev", {"environments/dev.yaml": "class: prod"}).class_ is EnvironmentClass.PROD


def test_an_environment_that_is_not_there(state: State) -> None:
    (problem,) = environment(state, "staging-eu", {"environments/staging-us.yaml": "class: staging"})
    assert (problem.code, problem.hint) == ("unknown-environment", "did you mean 'staging-us'?")


def test_an_environment_that_could_not_be_read_is_not_called_missing(state: State) -> None:
    class Link:
        mode, content, size = "120000", b"x", None

    assert environment(state, "prod", {"environments/prod.yaml": Link()}) == ()
    assert [p.code for p in environment(state, "prod", {"environments/prod.yaml": "class: production"})] == ["value"]
