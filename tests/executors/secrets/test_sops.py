"""Reading secrets: with the real sops and age where they are, with a stand-in for what the real one cannot be made to do."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from executors.ports import Broken, NeedsHuman, NotFound
from executors.secrets.sops import SopsSecrets, place_of

PLAIN = "database:\n  password: s3cret/änd\n  port: 5432\n  tls: true\n  list: [1]\n"
FILES: Mapping[str, bytes] = {"infra/shop/secrets.enc.yaml": b"encrypted", "secrets/_shared.enc.yaml": b"shared"}


# --- the real one ----------------------------------------------------------------------------------------


class Vault:
    """A key, and files encrypted for it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.keys = folder / "keys.txt"
        subprocess.run(["age-keygen", "-o", self.keys], check=True, capture_output=True)
        self.recipient = self.keys.read_text().partition("public key: ")[2].split()[0]
        self.environ = {**os.environ, "SOPS_AGE_KEY_FILE": str(self.keys), "HOME": str(folder)}

    def encrypted(self, text: str) -> bytes:
        argv = ["sops", "encrypt", "--age", self.recipient, "--input-type", "yaml", "--output-type", "yaml", "/dev/stdin"]
        done = subprocess.run(argv, input=text.encode(), capture_output=True, env=self.environ, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def secrets(self, content: bytes, environ: Mapping[str, str] | None = None) -> SopsSecrets:
        return SopsSecrets({"infra/shop/secrets.enc.yaml": content}.get, environ or self.environ)


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    missing = [program for program in ("sops", "age-keygen") if shutil.which(program) is None]
    if missing:
        pytest.skip(f"{' and '.join(missing)} not installed")
    return Vault(tmp_path)


@pytest.mark.real
def test_values_of_an_encrypted_file_are_read_as_text(vault: Vault) -> None:
    content = vault.encrypted(PLAIN)
    assert b"s3cret" not in content
    secrets = vault.secrets(content)
    assert secrets.resolve("secret://shop/database/password") == "s3cret/änd"
    assert secrets.resolve("secret://shop/database/port") == "5432"
    assert secrets.resolve("secret://shop/database/tls") == "true"


@pytest.mark.real
def test_without_a_key_a_person_is_needed(vault: Vault) -> None:
    environ = {k: v for k, v in vault.environ.items() if not k.startswith("SOPS")}
    with pytest.raises(NeedsHuman, match=r"none of the keys here opens infra/shop/secrets\.enc\.yaml"):
        vault.secrets(vault.encrypted(PLAIN), environ).resolve("secret://shop/database/password")


@pytest.mark.real
def test_a_file_edited_by_hand_is_refused(vault: Vault) -> None:
    lines = vault.encrypted(PLAIN).splitlines(keepends=True)
    edited = b"".join(line for line in lines if b"port:" not in line)
    assert len(edited.splitlines()) == len(lines) - 1
    with pytest.raises(NeedsHuman, match="changed without sops"):
        vault.secrets(edited).resolve("secret://shop/database/password")


@pytest.mark.real
def test_a_file_that_was_never_encrypted_is_refused(vault: Vault) -> None:
    with pytest.raises(NeedsHuman, match=r"sops cannot decrypt infra/shop/secrets\.enc\.yaml: ") as caught:
        vault.secrets(PLAIN.encode()).resolve("secret://shop/database/password")
    assert "s3cret" not in str(caught.value)


# --- a stand-in ------------------------------------------------------------------------------------------


@pytest.fixture
def sops(tmp_path: Path) -> Callable[[str], SopsSecrets]:
    """Secrets with a ``sops`` that is this shell script."""

    def made(script: str) -> SopsSecrets:
        program = tmp_path / "sops"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        return SopsSecrets(FILES.get, {"PATH": f"{tmp_path}:/usr/bin:/bin", "LOG": str(tmp_path / "log")})

    return made


def test_a_reference_names_file_domain_and_name() -> None:
    assert place_of("secret://shop/db/password") == ("infra/shop/secrets.enc.yaml", "db", "password")
    assert place_of("secret://_shared/db/password") == ("secrets/_shared.enc.yaml", "db", "password")


@pytest.mark.parametrize(
    "text", ["secret://shop", "secret://shop/a", "secret://shop/a/b/c", "secret:///a/b", "secret://../a/b", "shop/a/b"]
)
def test_other_forms_are_refused(text: str) -> None:
    with pytest.raises(Broken, match="is not of the form"):
        place_of(text)


def test_without_the_program_a_person_is_needed(tmp_path: Path) -> None:
    secrets = SopsSecrets(FILES.get, {"PATH": str(tmp_path)})
    with pytest.raises(NeedsHuman, match="the sops program is not on PATH"):
        secrets.resolve("secret://shop/db/password")


def test_what_is_not_there_is_named(sops: Callable[[str], SopsSecrets]) -> None:
    secrets = sops("""echo '{"db": {"list": [1]}, "flat": "x"}'""")
    with pytest.raises(NotFound, match=r"there is no infra/other/secrets\.enc\.yaml in the applied commit"):
        secrets.resolve("secret://other/db/password")
    for domain, name in (("db", "password"), ("db", "list"), ("flat", "x"), ("none", "x")):
        with pytest.raises(NotFound, match=rf"holds no secret '{domain}\.{name}'"):
            secrets.resolve(f"secret://shop/{domain}/{name}")


def test_the_ciphertext_goes_through_standard_input_and_nothing_through_arguments(
    sops: Callable[[str], SopsSecrets], tmp_path: Path
) -> None:
    secrets = sops("""echo "$@" > "$LOG"; cat >> "$LOG"; echo '{"db": {"password": "x"}}'""")
    assert secrets.resolve("secret://_shared/db/password") == "x"
    assert (tmp_path / "log").read_text() == "decrypt --input-type yaml --output-type json /dev/stdin\nshared"


def test_a_file_is_opened_once_however_many_ask(sops: Callable[[str], SopsSecrets], tmp_path: Path) -> None:
    secrets = sops("""echo opened >> "$LOG"; echo '{"db": {"password": "x"}}'""")
    start = threading.Barrier(8)

    def ask(_: int) -> str:
        start.wait()
        return secrets.resolve("secret://shop/db/password")

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(ask, range(8))) == {"x"}
    assert (tmp_path / "log").read_text() == "opened\n"


@pytest.mark.parametrize(
    ("script", "error", "message"),
    [
        ("echo 'Error: oh' >&2; echo 'no such key' >&2; exit 1", NeedsHuman, "sops cannot decrypt .*: no such key$"),
        ("exit 3", NeedsHuman, "it ended with exit code 3"),
        ("exit 128", NeedsHuman, "none of the keys here"),
        ("echo '[]'", Broken, "is not a map of domains"),
        ("echo not-json-s3cret", Broken, "is not a map of domains"),
    ],
)
def test_trouble_is_one_sentence(sops: Callable[[str], SopsSecrets], script: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        sops(script).resolve("secret://shop/db/password")
    assert "s3cret" not in str(caught.value)
