"""No room: in the clone, where the provider keeps its world, on the server."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

PLACES = {"clone": "estate/one", "world": "estate/state", "server": "shop.git"}


@pytest.fixture
def small_disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A disk of 8 MB at ``request.param`` below ``tmp_path``."""
    folder = tmp_path / PLACES[request.param]
    folder.mkdir(parents=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)], capture_output=True, check=False)
    if done.returncode != 0:
        pytest.skip("only root can mount a small disk")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.parametrize("where", ["write.before~create.after", "push.before#2", "create.before#1"])
@pytest.mark.parametrize("small_disk", PLACES, indirect=True)
def test_a_disk_that_is_full_for_a_while(where: str, small_disk: Path, tmp_path: Path, estate_at: Any, timing: str) -> None:
    estate = estate_at("file", ledger=timing, base=tmp_path)
    gate = estate.held(where)
    filler = fill(small_disk)
    ended = gate.end(None)
    assert ended.code == 1, ended
    assert re.search("No space left|couldn't write|Out of diskspace", ended.err), ended.err
    filler.unlink()
    estate.go_on(once=small_disk.name != "state")


def fill(folder: Path) -> Path:
    """Not a byte is left."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 16, 1):
            try:
                while file.write(b"x" * size):
                    pass
            except OSError:
                continue
    return filler


@pytest.mark.slow
@pytest.mark.parametrize(
    "where", ["write.before#2", "set_ref.before#2", "create.before#1", "put.before#1", "write.before~create.after"]
)
def test_whatever_cannot_be_written_is_not_lost(where: str, here: Any) -> None:
    # git is killed by SIGXFSZ here, in the middle of what it writes, and we get an error: all files are full at once
    ended = here.by_hand(f"full@{where}", *here.APPLY)
    assert ended.code == 1, ended
    here.go_on(once=False)
