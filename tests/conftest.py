"""For all tests: what may be skipped, and how what was skipped is told."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Generator

import pytest
from hypothesis import settings

pytest_plugins = ["git_servers"]  # real Git remotes, from tests/servers

NO_SKIPS = os.environ.get("CI", "").lower() in ("1", "true")

settings.register_profile("fast", max_examples=25, deadline=None)
settings.register_profile("ci", max_examples=100, deadline=None, derandomize=True)
settings.register_profile("deep", max_examples=2_000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if NO_SKIPS else "fast"))


def pytest_xdist_auto_num_workers() -> int:
    """Two to a processor: much of what is real here waits, for leases to run out and for servers."""
    return 2 * (os.cpu_count() or 1)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where ``CI=true`` every real component is there, so a skipped test is a failed one."""
    report = yield
    if NO_SKIPS and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI=true does not allow: {reason(report)}"
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What was not run, counted by what is missing."""
    skipped = terminalreporter.stats.get("skipped", [])
    if skipped:
        terminalreporter.section(f"{len(skipped)} skipped for want of a real component (with CI=true they fail)")
        for why, count in sorted(Counter(map(reason, skipped)).items()):
            terminalreporter.write_line(f"{count:4}  {why}")


def reason(report: pytest.TestReport) -> str:
    """Why a test was skipped."""
    longrepr = report.longrepr
    return str(longrepr[2] if isinstance(longrepr, tuple) else longrepr).removeprefix("Skipped: ")
