"""Where a step's whole output goes."""

from __future__ import annotations

from pathlib import Path

import pytest

from executors import steplog


def test_output_is_appended_for_the_owner_alone(tmp_path: Path) -> None:
    folder = str(tmp_path / "logs")
    steplog.append(folder, "r1", "taskserv/web-01/nginx", "one")
    steplog.append(folder, "r1", "taskserv/web-01/nginx", "two\n")
    file = tmp_path / "logs/r1/taskserv/web-01/nginx.log"
    assert file == steplog.path(folder, "r1", "taskserv/web-01/nginx")
    assert file.read_text() == "one\ntwo\n"
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("address", ["server/..", "../../etc", "server//a", "server/.", "server/a\0"])
def test_an_address_never_leads_out_of_the_folder(address: str, tmp_path: Path) -> None:
    assert steplog.path(str(tmp_path), "r1", address) is None
    steplog.append(str(tmp_path), "r1", address, "text")
    assert list(tmp_path.rglob("*")) == []


def test_without_a_folder_a_run_or_a_text_nothing_is_kept(tmp_path: Path) -> None:
    assert steplog.path("", "r1", "server/a") is None
    assert steplog.path(str(tmp_path), "", "server/a") is None
    steplog.append(str(tmp_path), "r1", "server/a", "")
    assert list(tmp_path.rglob("*")) == []


def test_a_link_in_the_way_is_not_followed_and_stops_nothing(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("mine")
    (tmp_path / "r1/server").mkdir(parents=True)
    (tmp_path / "r1/server/a.log").symlink_to(other)
    steplog.append(str(tmp_path), "r1", "server/a", "text")
    assert other.read_text() == "mine"
