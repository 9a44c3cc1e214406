"""Play one history and tell it, or a range of them and count.

python tests/simulation/replay.py 4711 [key|name|tag] [MUTANT]     the whole history of one seed, and what is wrong with it
python tests/simulation/replay.py 0-999 [key|name|tag] [MUTANT]    a range: what is wrong, how many faults, how fast
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from contextlib import nullcontext
from pathlib import Path

if __name__ == "__main__":
    # the program that is installed, else that of the checkout
    sys.path = [str(Path(__file__).parent), *sys.path, str(Path(__file__).parents[2])]

from history import play, script_of
from invariants import look
from mutants import MUTANTS


def tell(seed: int, kind: str) -> int:
    """One history in words; returns how much is wrong."""
    history, wrong = look(lambda: play(seed, script_of(seed, kind)))
    if history is not None:
        print(history.script, *history.office.world.trace, sep="\n")
    print(*wrong or ["nothing is wrong"], sep="\n")
    return len(wrong)


def count(seeds: range, kind: str) -> int:
    """Many histories; returns how many are wrong."""
    began, faults, bad = time.monotonic(), Counter[str](), 0
    for seed in seeds:
        history, wrong = look(lambda seed=seed: play(seed, script_of(seed, kind)))  # type: ignore[misc]
        faults.update(history.office.world.hits if history else {})
        bad += bool(wrong)
        if wrong:
            print(f"{seed}: {'; '.join(wrong)}", flush=True)
    took = time.monotonic() - began
    print(f"seeds {seeds.start}-{seeds.stop - 1}: {len(seeds)} histories, {bad} wrong, {sum(faults.values())} faults,", end=" ")
    print(f"{took:.0f} s; {', '.join(f'{name} {n}' for name, n in sorted(faults.items()))}", flush=True)
    return bad


def main(words: list[str]) -> int:
    """Exit code 1 when something is wrong, 2 when the words are."""
    if not words:
        print(__doc__, end="")
        return 2
    first, dash, last = words[0].partition("-")
    strange = [w for w in words[1:] if w not in ("key", "name", "tag", *MUTANTS)]
    if strange or not first.isdigit() or (dash and not last.isdigit()):
        print(f"'{(strange or words)[0]}' is not understood\n\n{__doc__}mistakes: {', '.join(MUTANTS)}", file=sys.stderr)
        return 2
    kind = next((w for w in words[1:] if w in ("key", "name", "tag")), "")
    planted = next((MUTANTS[w] for w in words[1:] if w in MUTANTS), nullcontext)
    with planted():
        return bool(count(range(int(first), int(last) + 1), kind) if dash else tell(int(first), kind))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
