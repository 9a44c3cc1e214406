"""The sandbox: what templates can do, cannot do, and how their mistakes are told."""

from __future__ import annotations

import re
from typing import Any

import pytest

from executors.ports import Broken
from executors.taskservs.rendering import OUTPUT_BYTES, Renderer

FACTS: dict[str, Any] = {
    "config": {"port": 80, "names": ["a", "b"], "empty": "", "big": "x" * 60_000},
    "server": {"name": "web-01"},
}


def render(text: str, **files: str) -> str:
    every = {"templates/t": text, **{f"templates/{name}": content for name, content in files.items()}}
    return Renderer("app", {path: content.encode() for path, content in every.items()}, FACTS).file("t").decode()


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("port {{ config.port }}\n", "port 80\n"),
        ("{% for n in config.names %}\n{{ n }}\n{% endfor %}\n", "a\nb\n"),
        ("  {% if server.name == 'web-01' %}\nyes\n  {% endif %}\n", "yes\n"),
        ("{{ config.names | join(',') }} {{ config | length }} {{ '<&>' }}", "a,b 4 <&>"),
        ("{{ config.names | tojson }} {{ config.none | default('d') }}", '["a", "b"] d'),
        ("{% set x = namespace(n=0) %}{% for i in range(3) %}{% set x.n = x.n + i %}{% endfor %}{{ x.n }}", "3"),
        ("{{ '%s' }}{# nothing #}", "%s"),
        ("ünïcode", "ünïcode"),
    ],
)
def test_templates(text: str, result: str) -> None:
    assert render(text) == result


def test_parts_are_included_by_their_path() -> None:
    assert render('{% include "templates/part" %}', part="part of {{ server.name }}") == "part of web-01"


def test_values_of_the_manifest_are_rendered_with_the_same_facts() -> None:
    renderer = Renderer("app", {}, FACTS)
    assert renderer.text("http://{{ server.name }}:{{ config.port }}", "outputs.url") == "http://web-01:80"
    assert renderer.texts(["run", "-p", "{{ config.port }}"], "service.command") == ["run", "-p", "80"]


@pytest.mark.parametrize(
    "escape",
    [
        "{{ ''.__class__ }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ ''['__class__'] }}",
        "{{ '' | attr('__class__') }}",
        "{{ config.items.__globals__ }}",
        "{{ '{0.__class__}'.format(config) }}",
        "{{ '{x.__class__}'.format_map({'x': config}) }}",
        "{{ range.__self__ }}",
        "{{ self.__init__.__globals__ }}",
        "{{ namespace.__init__.__globals__ }}",
        "{{ cycler.__init__.__globals__.os }}",
        "{{ lipsum.__globals__['os'].popen('id').read() }}",
        "{{ joiner }}",
        "{{ get_flashed_messages }}",
        "{{ config.names.append('c') }}",
        "{{ config.update({'port': 1}) }}",
        "{% set x = config.pop('port') %}",
        "{% include '/etc/passwd' %}",
        "{% include '../manifest.yaml' %}",
        "{% include 'manifest.yaml' %}",
        "{% import 'os' as os %}",
        "{% extends 'templates/../../x' %}",
    ],
)
def test_nothing_leads_out_of_the_sandbox(escape: str) -> None:
    with pytest.raises(Broken, match=r"^extensions/taskservs/app/templates/t") as raised:
        render(f"{escape}")
    assert "root:" not in str(raised.value)
    assert FACTS["config"]["port"] == 80
    assert FACTS["config"]["names"] == ["a", "b"]


@pytest.mark.parametrize(
    "bomb",
    [
        "{{ 'x' * 10000000000 }}",
        "{{ 10000000000 * 'x' }}",
        "{{ [0] * 10000000000 }}",
        "{{ 9 ** (9 ** 9) }}",
        "{{ 10 ** 100000 * 10 ** 100000 }}",
        "{% for i in range(10000000000) %}x{% endfor %}",
        "{% for i in range(100) %}{{ config.big }}{% endfor %}",
        "{% include 'templates/t' %}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    ],
)
def test_no_template_grows_without_bound(bomb: str) -> None:
    with pytest.raises(Broken, match=r"^extensions/taskservs/app/templates/t"):
        render(bomb)


def test_what_fits_is_let_through() -> None:
    assert len(render(f"{{{{ 'x' * {OUTPUT_BYTES} }}}}")) == OUTPUT_BYTES
    with pytest.raises(Broken, match=f"the result is larger than {OUTPUT_BYTES} bytes"):
        render(f"{{{{ 'x' * {OUTPUT_BYTES} }}}}y")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("one\n{{ nothing }}\n", "templates/t:2: 'nothing' is undefined"),
        ("\n\n{{ config.prot }}", "templates/t:3: 'dict object' has no attribute 'prot'"),
        ("{{ config.prot.deeper }}", "templates/t:1: 'dict object' has no attribute 'prot'"),
        ("{% for x in config.prot %}{% endfor %}", "templates/t:1: 'dict object' has no attribute 'prot'"),
        ("{% if config.prot %}{% endif %}", "templates/t:1: 'dict object' has no attribute 'prot'"),
        ("ok\n{% if %}", "templates/t:2: Expected an expression, got 'end of statement block'"),
        ("{{ a b }}", "templates/t:1: expected token 'end of print statement', got 'b'"),
        ("{% for x in y %}", "templates/t:1: Unexpected end of template."),
        ("\n{{ 1 / 0 }}", "templates/t:2: division by zero"),
        ("\n{{ config.port + 'a' }}", "templates/t:2: unsupported operand type(s) for +: 'int' and 'str'"),
        ("{{ x | no_such_filter }}", "templates/t:1: No filter named 'no_such_filter'."),
        ("{% include 'templates/none' %}", "templates/t: there is no templates/none in extensions/taskservs/app"),
        ("\n{% include 'templates/part' %}", "templates/part:2: 'gone' is undefined"),
    ],
)
def test_mistakes_are_told_with_file_and_line(text: str, told: str) -> None:
    with pytest.raises(Broken, match=re.escape(told)) as raised:
        render(text, part="\n{{ gone }}")
    assert str(raised.value).startswith("extensions/taskservs/app/templates/")


def test_mistakes_in_the_manifest_are_told_with_their_key() -> None:
    told = "extensions/taskservs/app/manifest.yaml: service.command[1]: 'nothing' is undefined"
    with pytest.raises(Broken, match=f"^{re.escape(told)}$"):
        Renderer("app", {}, FACTS).texts(["run", "{{ nothing }}"], "service.command")
    with pytest.raises(Broken, match=r"manifest\.yaml: outputs\.url: unexpected 'end of template'"):
        Renderer("app", {}, FACTS).text("{{", "outputs.url")


def test_what_is_no_text_cannot_be_rendered() -> None:
    with pytest.raises(Broken, match=r"templates/t is not UTF-8; place it as it is, with render: false"):
        Renderer("app", {"templates/t": b"\xff\xfe"}, FACTS).file("t")
