"""The program ``provisioning``. ``--version`` answers before anything heavy is imported."""

from __future__ import annotations

import gc
import sys

from gitops import __version__


def main() -> int:
    """Run the command line; returns the exit code. A bug ends as one line and a report file, never as a traceback."""
    words = sys.argv[1:]
    if words in (["--version"], ["-V"], ["version"]):
        print(f"provisioning {__version__}")
        return 0
    if sys.platform == "win32":
        print("error: provisioning does not run on Windows; use Linux, macOS, or Linux inside WSL", file=sys.stderr)
        return 1
    from gitops.guard import foreign

    if culprit := foreign():
        print(f"error: {culprit}", file=sys.stderr)
        return 1
    # Plans of large estates are many small values that all live to the end: looking for rings among them again and again
    # takes a fifth of the time and finds none.
    gc.set_threshold(200_000, 10, 10)
    try:
        from gitops.cli.main import main as run

        return run(words)
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # whoever read our output has gone: not an error of ours
        sys.stdout = None
        return 1
    except Exception as error:
        print(f"error: this is a bug in provisioning: {type(error).__name__}; the report is in {report(error)}", file=sys.stderr)
        return 1


def report(error: BaseException) -> str:
    """Write what is needed to mend a bug to a file of the person's own; returns its path. Values of variables are not in it."""
    import os
    import platform
    import tempfile
    import traceback

    lines = [
        f"provisioning {__version__}, Python {platform.python_version()}, {platform.platform()}",
        f"command: {' '.join(word for word in sys.argv[1:2])}",
        "",
        *traceback.format_exception(error),
    ]
    handle, path = tempfile.mkstemp(prefix="provisioning-bug-", suffix=".txt")
    with os.fdopen(handle, "w") as file:
        file.write("\n".join(lines))
    return path


if __name__ == "__main__":
    sys.exit(main())
