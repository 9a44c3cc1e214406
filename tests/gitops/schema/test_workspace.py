"""``workspace.yaml`` as a plain value that survives a cache."""

from __future__ import annotations

import json

from gitops.schema.workspace import Identity, LedgerConfig, WorkspaceConfig, of_document

WHOLE = WorkspaceConfig(
    "0123456789abcdef",
    "acme",
    1,
    "ssh://git@example.org/state",
    "trunk",
    ">=0.1",
    (Identity("ada", ("ada@example.org",), ("ops",), ("ssh-ed25519 AAAA",)), Identity("bob")),
    LedgerConfig(30, 5, 200, 15),
)


def test_a_document_gives_the_same_value_back() -> None:
    for config in (WHOLE, WorkspaceConfig("0123456789abcdef", "acme")):
        assert of_document(json.loads(json.dumps(config.document()))) == config
