"""The page on encoding is enough to write it anew: this file does, and calls nothing of the program to compute a digest."""

from __future__ import annotations

import ast
import hashlib
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from planners.canonical import digest, digest_bytes

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/encoding.md").read_text()
PACKAGES = ("gitops", "executors", "planners", "rules")
NO_HASH_OF_OURS = {"planners/canonical.py", "gitops/git/objects.py", "gitops/cache.py"}
"""Where hashes are made: the one place, Git's own ids, and the seal over one of ours."""
ROW = re.compile(r"^\| `([a-z-]+)` \| `(.*)` \| (\d+) \| `([0-9a-f]{64})` \|$", re.MULTILINE)
SHORT = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def written(value: Any) -> str:
    """A value as the page says, without its last line feed."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int):
        return f"{value:d}"
    if isinstance(value, float):
        return number(value)
    if isinstance(value, str):
        return '"' + "".join(SHORT.get(c) or (f"\\u{ord(c):04x}" if c < " " else c) for c in value) + '"'
    if isinstance(value, list):
        return "[" + ",".join(map(written, value)) + "]"
    keys = sorted(value, key=lambda key: [ord(c) for c in key])
    return "{" + ",".join(f"{written(key)}:{written(value[key])}" for key in keys) + "}"


def number(value: float) -> str:
    """The shortest decimal that reads back as the same double."""
    digits = next(text for n in range(17) if float(text := f"{value:.{n}e}") == value)
    mantissa, _, exponent = digits.partition("e")
    power, plain = int(exponent), mantissa.replace(".", "").replace("-", "")
    if not -4 <= power < 16:
        return f"{mantissa}e{'-' if power < 0 else '+'}{abs(power):02d}"
    left = plain[: power + 1].ljust(power + 1, "0") if power >= 0 else "0"
    right = plain[power + 1 :] if power >= 0 else "0" * (-power - 1) + plain
    return f"{'-' * (value < 0)}{left}.{right or '0'}"


def hashed(domain: str, body: bytes) -> str:
    """The layout as the page says."""
    whole = b"provisioning/" + domain.encode() + b"/v1" + b"\x00" + str(len(body)).encode() + b"\x00" + body
    return hashlib.sha256(whole).hexdigest()


VECTORS = ROW.findall(PAGE)


def test_there_are_vectors_of_values_and_of_bytes() -> None:
    assert len(VECTORS) >= 18
    assert len([v for v in VECTORS if v[0] == "file"]) == 4


@pytest.mark.parametrize(("domain", "text", "length", "told"), VECTORS)
def test_a_vector_is_what_the_page_describes_and_what_the_program_does(domain: str, text: str, length: str, told: str) -> None:
    if domain == "file":
        body = bytes.fromhex(text.replace("-", ""))
        assert digest_bytes(domain, body) == told
    else:
        body = f"{written(json.loads(text))}\n".encode()
        assert digest(domain, json.loads(text)) == told
    assert (len(body), hashed(domain, body)) == (int(length), told)


def test_the_bytes_that_are_shown_are_the_bytes() -> None:
    shown = re.findall(r"^    ((?:[0-9a-f]{2} )+) {3,}\S", PAGE, re.MULTILINE)
    raw = bytes.fromhex("".join(shown))
    assert hashlib.sha256(raw).hexdigest() == digest("plan", [1, "ü"])
    assert f"{len(raw)} bytes are hashed" in PAGE


def test_equal_pieces_cut_elsewhere_hash_otherwise() -> None:
    one, other = (row[3] for row in VECTORS if row[0] == "op" and "server" in row[1])
    assert one != other


# --- a signed payload ------------------------------------------------------------------------------------


def block(name: str, part: int = 0) -> str:
    blocks = re.findall(rf"^```{name}\n(.*?)^```$", PAGE[PAGE.index("One signed approval") :], re.MULTILINE | re.DOTALL)
    return str(blocks[part])


def git_id(kind: str, raw: bytes) -> str:
    return hashlib.sha1(f"{kind} {len(raw)}\0".encode() + raw, usedforsecurity=False).hexdigest()


def test_the_signed_payload_holds_the_record_twice() -> None:
    record, payload = json.loads(block("json")), block("text")
    body = f"{written(record)}\n".encode()
    tree = b"100644 approval.json\0" + bytes.fromhex(git_id("blob", body))
    assert payload.splitlines()[0] == f"tree {git_id('tree', tree)}"
    assert payload.endswith(f"\nProvisioning-Approval: {hashed('approval', body)}\n")


@pytest.mark.real
def test_openssh_finds_the_signature_good_and_that_of_another_text_bad(tmp_path: Path) -> None:
    (tmp_path / "signers").write_text(f"ann {block('text', 1)}")
    (tmp_path / "sig").write_text(block("text", 2))

    def verified(payload: str) -> int:
        argv = ["ssh-keygen", "-Y", "verify", "-f", tmp_path / "signers", "-I", "ann", "-n", "git", "-s", tmp_path / "sig"]
        return subprocess.run(argv, input=payload.encode(), capture_output=True, timeout=20).returncode

    assert verified(block("text")) == 0
    assert verified(block("text").replace("approve", "reject", 1)) != 0


# --- nothing hashes in another way -----------------------------------------------------------------------


def sources() -> Iterator[tuple[str, ast.Module]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield str(path.relative_to(ROOT)), ast.parse(path.read_text())


def test_only_one_module_of_ours_hashes() -> None:
    hashes = {"hashlib", "hmac", "_hashlib", "_sha2", "zlib"}

    def named(node: ast.AST) -> set[str]:
        if isinstance(node, ast.Import):
            return {alias.name for alias in node.names}
        return {node.module or ""} if isinstance(node, ast.ImportFrom) else set()

    found = {path for path, module in sources() if any(named(node) & hashes for node in ast.walk(module))}
    assert found == NO_HASH_OF_OURS


def test_the_page_names_every_domain_and_no_other() -> None:
    used = set()
    for path, module in sources():
        for node in ast.walk(module):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("digest", "digest_bytes"):
                domain = node.args[0]
                if isinstance(domain, ast.Constant):
                    used.add(domain.value)
                elif path != "planners/canonical.py":
                    used.add(ast.unparse(domain).lower())
    table = PAGE[PAGE.index("| domain | over |") : PAGE.index("Ids of commits")]
    told = set(re.findall(r"`([a-z-]+)`", "".join(line.split("|")[1] for line in table.splitlines() if line)))
    assert told == used
    assert all(re.fullmatch(r"[a-z][a-z0-9-]*", domain) for domain in used)
