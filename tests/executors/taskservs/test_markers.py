"""What is noted on the machine."""

from __future__ import annotations

import json
import stat
from typing import Any

import pytest

from executors.ports import Broken, NeedsHuman
from executors.taskservs import markers
from executors.taskservs.markers import Marker


def test_a_marker_comes_back_as_it_was(estate: Any) -> None:
    machine = estate.machine()
    marker = Marker(
        "op", 3, "1.0.0", True, "i", "c", {"a": "0644 x"}, "svc", "op", "uninstall", {"type": "tcp"}, {"url": "u"}, {"infra": "s"}
    )
    markers.write(machine, "app", marker)
    assert markers.read(machine, "app") == marker
    assert markers.read(machine, "other") is None
    path = estate.root() / markers.folder("app") / "marker.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"{", Broken),
        (b"[]", Broken),
        (b"{}", Broken),
        (b'{"format": 1}', Broken),
        (json.dumps({"format": 2}).encode(), NeedsHuman),
    ],
)
def test_one_that_cannot_be_read_is_not_taken_for_absent(estate: Any, content: bytes, error: type[Exception]) -> None:
    machine = estate.machine()
    machine.put(f"{markers.folder('app')}/marker.json", content)
    with pytest.raises(error, match="taskserv 'app'"):
        markers.read(machine, "app")
