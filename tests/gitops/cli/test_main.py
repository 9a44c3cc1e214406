"""The command line as words: global options on either side, help on either side, mistakes as one line."""

from __future__ import annotations

import pytest

from gitops.cli.main import ALIASES, COMMANDS, hoist, main, root, spell_out
from gitops.stops import Stop


@pytest.mark.parametrize(
    ("words", "options", "rest"),
    [
        (["plan"], {}, ["plan"]),
        (["-i", "shop", "plan"], {"infra": "shop"}, ["plan"]),
        (["plan", "-i", "shop"], {"infra": "shop"}, ["plan"]),
        (["plan", "--infra=shop", "-y"], {"infra": "shop", "yes": True}, ["plan"]),
        (["--out", "json", "plan", "--save", "x"], {"out": "json"}, ["plan", "--save", "x"]),
        (["plan", "--dry-run"], {"check": True}, ["plan"]),
        (["why", "--", "-i"], {}, ["why", "--", "-i"]),
        (["apply", "--remote", "u"], {"remote": "u"}, ["apply"]),
        (["--remote=u", "apply"], {"remote": "u"}, ["apply"]),
        (["init", "d", "--remote", "u"], {}, ["init", "d", "--remote", "u"]),
        (["doctor", "--remote", "-y"], {"yes": True}, ["doctor", "--remote"]),
    ],
)
def test_global_options_stand_on_either_side(words: list[str], options: dict[str, object], rest: list[str]) -> None:
    assert hoist(words) == (options, rest)


@pytest.mark.parametrize(
    ("words", "message"), [(["plan", "-i"], "'-i' needs a value"), (["--out", "xml"], "no output format 'xml'")]
)
def test_a_global_option_without_a_value_or_with_a_wrong_one_is_told(words: list[str], message: str) -> None:
    with pytest.raises(Stop, match=message):
        hoist(words)


@pytest.mark.parametrize(
    ("words", "spelt"),
    [
        ([], ["--help"]),
        (["help"], ["--help"]),
        (["help", "plan"], ["plan", "--help"]),
        (["plan", "help"], ["plan", "--help"]),
        (["plan", "--", "help"], ["plan", "--", "help"]),
    ],
)
def test_help_is_one_thing(words: list[str], spelt: list[str]) -> None:
    assert spell_out(words) == spelt


def test_every_command_is_there_and_says_what_it_does() -> None:
    for name, (_, text) in COMMANDS.items():
        command = root.get_command(None, name)  # type: ignore[arg-type]
        assert command is not None, name
        assert text
        assert command.help, name
    assert set(ALIASES.values()) <= set(COMMANDS)


def test_an_alias_is_its_command() -> None:
    assert root.get_command(None, "s") is root.get_command(None, "server")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["plam"], "error: there is no command 'plam'; did you mean 'plan'?"),
        (["plan", "--traget", "x"], "error: there is no option '--traget'; did you mean '--target'?"),
        (["why"], "error: missing argument 'ADDRESS'; see 'provisioning help why'"),
        (["apply", "--parallel", "many"], "error: invalid value for '--parallel': 'many' is not a valid integer range"),
    ],
)
def test_a_usage_mistake_is_one_line_and_ends_with_two(words: list[str], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(line)
    assert said.err.count("\n") == 1


def test_a_mistake_in_json_is_a_document(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plam", "--out", "json"]) == 2
    assert "\"there is no command 'plam'\"" in capsys.readouterr().out
