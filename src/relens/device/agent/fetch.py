"""Asking the repository once, in a process of its own: the agent stays small."""

import sys
from dataclasses import dataclass
from pathlib import Path

from relens.device.agent.apart import answer, ask_apart
from relens.device.agent.store import Store
from relens.errors import RelensError

TIMEOUT_S = 900.0


@dataclass(frozen=True)
class Fetched:
    """bundle: the id of what was put into the inbox; None: nothing new. trouble: why nothing could be asked."""

    bundle: str | None = None
    trouble: str | None = None


def fetch_apart(store: Store, camera: str) -> Fetched:
    """See `relens.device.agent.trust.fetch`; never raises."""
    late = f"the repository was not done with after {TIMEOUT_S:.0f} s"
    try:
        return Fetched(**ask_apart(__name__, store.folder, camera, name="fetch", timeout_s=TIMEOUT_S, late=late))
    except RelensError as trouble:
        return Fetched(trouble=trouble.message)


def main() -> None:
    """Fetch, and say what came of it."""
    from relens.device.agent.trust import fetch

    try:
        answer({"bundle": fetch(Store(Path(sys.argv[1])), sys.argv[2])})
    except RelensError as trouble:
        answer({"trouble": f"{trouble.code}: {trouble.message}"})


if __name__ == "__main__":
    main()
