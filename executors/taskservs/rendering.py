"""Jinja for extensions: sandboxed, strict about what is not defined, bounded, with file and line in every error.

Only what is handed over can be used; blocks leave no blank lines behind (``trim_blocks``, ``lstrip_blocks``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from traceback import extract_tb
from typing import TYPE_CHECKING, Any

from executors.ports import Broken
from planners.canonical import Json

if TYPE_CHECKING:
    from jinja2 import Environment

OUTPUT_BYTES = 1 << 20
"""Of one template. A configuration file that is larger is a mistake."""
_POWER_BITS = 1 << 16
_GLOBALS = ("range", "dict", "namespace")


class Renderer:
    """Renders one extension's texts. ``facts``: the names that templates may use."""

    def __init__(self, extension: str, files: Mapping[str, bytes], facts: Mapping[str, Json]) -> None:
        self._folder = f"extensions/taskservs/{extension}"
        self._files = files
        self._facts = dict(facts)

    def file(self, source: str) -> bytes:
        """The rendered ``templates/<source>``. Raises ``Broken`` naming file and line."""
        return self._render(f"templates/{source}", None).encode()

    def text(self, text: str, where: str) -> str:
        """A rendered value of the manifest; ``where`` is its path there, for the error."""
        return self._render(f"manifest.yaml: {where}", text)

    def texts(self, texts: Iterable[str], where: str) -> list[str]:
        """Rendered values of a list."""
        return [self.text(t, f"{where}[{i}]") for i, t in enumerate(texts)]

    def _render(self, name: str, text: str | None) -> str:
        from jinja2 import TemplateError, TemplateNotFound, TemplateSyntaxError

        place = f"{self._folder}/{name}"
        parts: list[str] = []
        size = 0
        try:
            for part in self._template(name, text).generate(self._facts):
                size += len(part.encode())
                if size > OUTPUT_BYTES:
                    raise Broken(f"{place}: the result is larger than {OUTPUT_BYTES} bytes")
                parts.append(part)
        except TemplateSyntaxError as error:
            raise Broken(f"{self._place(error.name or name, error.lineno)}: {error.message}") from error
        except TemplateNotFound as error:
            raise Broken(f"{place}: there is no {error.name} in {self._folder}") from error
        except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError, RecursionError, MemoryError) as error:
            raise Broken(f"{self._line_of(error, name)}: {error or type(error).__name__}") from error
        return "".join(parts)

    def _template(self, name: str, text: str | None) -> Any:
        if text is None:
            return self._environment.get_template(name)
        code = self._environment.compile(text, name, f"{self._folder}/{name}")
        return self._environment.template_class.from_code(self._environment, code, self._environment.make_globals(None))

    def _place(self, name: str, line: int) -> str:
        # values of the manifest have no lines of their own
        return f"{self._folder}/{name}" + (f":{line}" if name.startswith("templates/") else "")

    def _line_of(self, error: BaseException, name: str) -> str:
        """Where in a template it happened: the innermost frame that is one."""
        frames = [f for f in extract_tb(error.__traceback__) if f.filename.startswith(f"{self._folder}/")]
        if not frames:
            return f"{self._folder}/{name}"
        return self._place(frames[-1].filename.removeprefix(f"{self._folder}/"), frames[-1].lineno or 1)

    @cached_property
    def _environment(self) -> Environment:
        from jinja2 import FunctionLoader, StrictUndefined
        from jinja2.exceptions import SecurityError
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        class Sandbox(ImmutableSandboxedEnvironment):
            """Attributes, calls and changes are judged by Jinja's sandbox; operators that blow up are judged here."""

            intercepted_binops = frozenset(["*", "**"])

            def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
                if _too_large(operator, left, right):
                    raise SecurityError(f"the result of '{operator}' would be too large")
                return super().call_binop(context, operator, left, right)

        environment = Sandbox(
            loader=FunctionLoader(self._load),
            undefined=StrictUndefined,
            autoescape=False,  # configuration files and programs, not HTML
            keep_trailing_newline=True,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.globals = {name: environment.globals[name] for name in _GLOBALS}
        return environment

    def _load(self, name: str) -> tuple[str, str, None] | None:
        """For ``include`` and ``import`` as well: names are paths in the extension, such as ``templates/part.conf``."""
        if not name.startswith("templates/") or name not in self._files:
            return None
        try:
            return self._files[name].decode(), f"{self._folder}/{name}", None
        except UnicodeDecodeError:
            raise Broken(f"{self._folder}/{name} is not UTF-8; place it as it is, with render: false") from None


def _too_large(operator: str, left: Any, right: Any) -> bool:
    if operator == "**":
        return isinstance(left, int) and isinstance(right, int) and abs(left).bit_length() * abs(right) > _POWER_BITS
    for sized, times in ((left, right), (right, left)):
        if hasattr(sized, "__len__") and isinstance(times, int):
            return len(sized) * times > OUTPUT_BYTES
    return isinstance(left, int) and isinstance(right, int) and left.bit_length() + right.bit_length() > _POWER_BITS
