"""A provider of another distribution that knows its resources by tags alone. What is wrong with it is said by ``$WOBBLY``:

``unheard``: a creation takes place, its answer is lost, and after that nothing can be asked; ``down``: nothing can be asked.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from executors.ports import Found, NeedsHuman, Owner, Provider, Request, Retry, Secrets
from executors.providers import fake
from executors.providers.fake.provider import FakeProvider
from planners.canonical import Json
from planners.model import Observation, kind_of

SPEC = replace(fake.SPEC, name="wobbly", idempotency="tag", late_seconds=0.5, late_source="this file: at once or never")


class Wobbly(FakeProvider):
    """Makes another one whenever it is asked, and tags it. ``made`` beside its world has a line for each."""

    def create(self, request: Request) -> Observation:
        folder = self._folder(request.owner)
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "made").open("a+") as file:
            file.seek(0)
            number = len(file.readlines()) + 1
            file.write(f"{request.address}\n")
        owner: Json = [request.owner.workspace, request.owner.infra]
        tag = {"id": f"{kind_of(request.address)}-{number}", "key": request.key, "owner": owner}
        there = {**tag, "address": request.address, "declared": dict(request.declared), "token": request.token}
        self._write(request.owner, there)
        if os.environ.get("WOBBLY") == "unheard":
            raise Retry("no answer in time", unknown=True)
        return self._seen(there)

    def list(self, owner: Owner) -> Sequence[Found]:
        if os.environ.get("WOBBLY"):
            raise NeedsHuman("the wobbly cloud cannot be asked")
        return super().list(owner)


def connect(settings: Mapping[str, Json], secrets: Secrets, world: Path) -> Provider:
    """The provider at work."""
    return Wobbly(SPEC, world / "wobbly")
