"""Commands with bounds."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from executors.ports import Completed, Retry
from executors.providers.local import command, init
from executors.providers.local.server import until

Run = Callable[..., Completed]
ENV = {"PATH": "/usr/local/bin:/usr/bin:/bin"}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def call(*argv: str, stdin: bytes = b"", timeout: float = 20.0) -> Completed:
        return command.run(argv, ENV, stdin, str(tmp_path), timeout)

    return call


def python(code: str) -> tuple[str, ...]:
    return sys.executable, "-I", "-S", "-c", code


def test_both_streams_and_the_exit_code_come_back(run: Run) -> None:
    assert run("sh", "-c", "cat; echo oops >&2; exit 3", stdin=b"given") == Completed(3, b"given", b"oops\n")


def test_it_sees_only_the_environment_it_is_given(run: Run, tmp_path: Path) -> None:
    done = run("sh", "-c", 'echo "$HOME-$PATH"; pwd -P')
    assert done.stdout.decode().splitlines() == [f"-{ENV['PATH']}", str(tmp_path.resolve())]


def test_arguments_are_never_read_by_a_shell(run: Run) -> None:
    assert run("printf", "%s", "$(id); `id` > x").stdout == b"$(id); `id` > x"


@pytest.mark.parametrize("program", ["no-such-program", "./no-such-file", "."])
def test_a_program_that_cannot_be_run_is_127(run: Run, program: str) -> None:
    done = run(program)
    assert done.code == 127
    assert program.encode() in done.stderr


def test_of_much_output_the_end_is_kept(run: Run) -> None:
    done = run(*python("import sys; sys.stdout.write('x' * 5_000_000 + 'the end')"))
    assert len(done.stdout) == command.OUTPUT_BYTES
    assert done.stdout.endswith(b"xthe end")


def test_much_input_goes_through_while_output_comes_back(run: Run) -> None:
    given = b"0123456789" * 300_000
    assert run("cat", stdin=given).stdout == given[-command.OUTPUT_BYTES :]


def test_input_that_nobody_reads_is_no_error(run: Run) -> None:
    assert run("true", stdin=b"x" * 3_000_000) == Completed(0, b"", b"")


def test_one_that_takes_too_long_is_ended_with_all_it_started(run: Run, tmp_path: Path) -> None:
    with pytest.raises(Retry, match="sh did not end within 1 s") as raised:
        run("sh", "-c", "sleep 600 & echo $! > child; wait", timeout=1.0)
    assert raised.value.unknown, "it may have done its work"
    child = int((tmp_path / "child").read_text())
    assert until(lambda: init.start_time(child) == "", 10)


def test_what_it_leaves_running_is_ended_and_not_waited_for(run: Run) -> None:
    done = run("sh", "-c", "sleep 600 & echo $!", timeout=15.0)
    assert done.code == 0
    assert until(lambda: init.start_time(int(done.stdout)) == "", 10)
