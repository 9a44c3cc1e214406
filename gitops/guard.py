"""Are the four packages that Python would import really ours?

Other distributions install packages named ``gitops``, ``rules``, ``planners`` and ``executors``; pip lets one overwrite the
other without a word, and removing it then removes ours too. Each ``__init__.py`` of ours carries one owner line, which is
read here as text before the packages are imported. Under a millisecond, and nothing is imported that Python has not loaded.
"""

from __future__ import annotations

from importlib.machinery import PathFinder

PACKAGES = ("gitops", "rules", "planners", "executors")
OWNER = '__owner__ = "provisioning '
MEND = "reinstall it into an environment of its own, such as: pipx install --force provisioning"


def foreign() -> str:
    """Empty when all four packages are ours and of one version; else one sentence with the culprit and what to do."""
    lines = {name: owner_line(name) for name in PACKAGES}
    wrong = [name for name, line in lines.items() if not line.startswith(OWNER)]
    if wrong:
        return f"{culprit(wrong[0])}; {MEND}"
    if len(set(lines.values())) > 1:
        versions = ", ".join(f"{name} {line[len(OWNER) : -1]}" for name, line in lines.items())
        return f"two versions of provisioning are mixed in this environment ({versions}); {MEND}"
    return ""


def origin(name: str) -> str:
    """The file that ``import name`` would run first; empty when there is none."""
    spec = PathFinder.find_spec(name)
    return spec.origin or "" if spec else ""


def owner_line(name: str) -> str:
    """The owner line of package ``name``; empty when the package is gone or somebody else's."""
    try:
        with open(origin(name), encoding="utf-8", errors="replace") as file:  # noqa: PTH123  # pathlib costs more than all of this
            return next((line.rstrip() for line in file if line.startswith(OWNER)), "")
    except OSError:
        return ""


def culprit(name: str) -> str:
    """What happened to package ``name``. Slow (it reads the metadata of everything installed), so only for a failure."""
    from importlib.metadata import packages_distributions

    path = origin(name)
    if not path:
        return (
            f"package '{name}' of provisioning is gone: most likely a package of the same name was installed over it and removed"
        )
    others = [d for d in packages_distributions().get(name, []) if d != "provisioning"]
    by = f"distribution '{others[0]}'" if others else "something else"
    return f"package '{name}' in {path} was overwritten by {by}"
