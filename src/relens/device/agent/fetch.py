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


def fetch_apart(store: Store, camera: str, max_kbit_s: float | None = None) -> Fetched:
    """See `relens.device.agent.trust.fetch`; never raises."""
    late = f"the repository was not done with after {TIMEOUT_S:.0f} s"
    asked = (store.folder, camera, max_kbit_s or "")
    try:
        return Fetched(**ask_apart(__name__, *asked, name="fetch", timeout_s=TIMEOUT_S, late=late))
    except RelensError as trouble:
        return Fetched(trouble=trouble.message)


def main() -> None:
    """Fetch, and say what came of it."""
    from relens.device.agent.download import Pace
    from relens.device.agent.trust import fetch

    state, camera, max_kbit_s = sys.argv[1:]
    pace = Pace(max_kbit_s=float(max_kbit_s) if max_kbit_s else None)
    try:
        answer({"bundle": fetch(Store(Path(state)), camera, pace)})
    except RelensError as trouble:
        answer({"trouble": f"{trouble.code}: {trouble.message}"})


if __name__ == "__main__":
    main()
