"""The agent's eye on the repository: one thread that asks now and then."""

import random
from threading import Event, Thread

from relens.device.agent.fetch import fetch_apart
from relens.device.agent.store import Store
from relens.spec import AgentSettings

SPREAD = 0.2
"""Of the time between two questions: a fleet that was switched on at once must not ask at once."""


class Follower:
    """Asks from `start` to `stop`; what is new goes into the inbox, and trouble into the journal once.

    Args:
        store: the camera's disk.
        camera: what it is called.
        settings: how often, and how fast.
    """

    def __init__(self, store: Store, camera: str, settings: AgentSettings) -> None:
        self._store, self._camera, self._settings = store, camera, settings
        self._stopping = Event()
        self._trouble: str | None = None
        # A daemon: a question that is on its way must not keep the agent from ending.
        self._thread = Thread(target=self._run, name="relens-follower", daemon=True)

    def start(self) -> None:
        """From now on, where the camera was enrolled by then or later."""
        self._thread.start()

    def stop(self) -> None:
        """Ask no more."""
        self._stopping.set()

    def _run(self) -> None:
        while not self._stopping.is_set():
            if self._store.follows.exists():
                self._ask()
            self._stopping.wait(self._settings.ask_every_s * random.uniform(1 - SPREAD, 1 + SPREAD))

    def _ask(self) -> None:
        fetched = fetch_apart(self._store, self._camera, self._settings.max_kbit_s)
        if fetched.bundle:
            self._store.journal.note("fetched", bundle=fetched.bundle)
        if fetched.trouble and self._trouble is None:
            self._store.journal.note("repository away", why=fetched.trouble)
        if self._trouble and not fetched.trouble:
            self._store.journal.note("repository back")
        self._trouble = fetched.trouble
