"""The parent's end of the line: answers what the child asks, and notes what it tells."""

import base64
import json
import logging
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Lock
from typing import Any

from relens.bundle import open_bundle
from relens.device.acceptance import accept
from relens.errors import CODES, LegacyTrouble, RelensError
from relens.legacy.feeder import Feeder
from relens.legacy.ledger import KEPT, Ledger, Message
from relens.legacy.models import Found, Models
from relens.legacy.screen import Screen

logger = logging.getLogger("relens.legacy")
LONGEST_LINE = 16 << 20


MEANINGLESS = (ValueError, TypeError, KeyError, AttributeError, OverflowError, MemoryError, RecursionError)
"""What reading a message from a stranger may end in."""


class Host:
    """Serves one child, from `serve` to its end.

    The child is the function's: what it sends is looked at as if it came from a stranger.

    Args:
        line: to the child.
        feeder: gives frames.
        models: finds bundles.
        ledger: notes everything.
        screen: shows it.
        limit: how many frames the function gets; None: no end.
        folder: the run's, for opened bundles.
        publish: hands a message on; it may raise ValueError.
        note: is told what the user should know.
    """

    def __init__(
        self,
        line: socket.socket,
        feeder: Feeder,
        models: Models,
        ledger: Ledger,
        screen: Screen,
        *,
        limit: int | None,
        folder: Any,
        publish: Callable[[Message], None],
        note: Callable[[str], None],
    ) -> None:
        self.feeder, self.models, self.ledger, self.screen = feeder, models, ledger, screen
        self.limit, self.folder, self.publish, self.note = limit, folder, publish, note
        self.over = False
        """Whether the function was told that there are no more frames."""
        self.ended: str | None = None
        self.failure: RelensError | None = None
        self.lacking: RelensError | None = None
        """Why the function did not get the model that it asked for last."""
        self.traceback = ""
        self._line, self._sending = line, Lock()
        self._accepted: dict[str, None] = {}
        self._gone = False

    def serve(self) -> None:
        """Until the child has gone."""
        tells: dict[str, Callable[..., None]] = {
            "publish": self._published,
            "prediction": self._predicted,
            "warning": self._warned,
            "trouble": self._troubled,
            "loaded": self._loaded,
            "walls": self._walled,
            "ended": self._has_ended,
            "failed": self._has_failed,
        }
        with self._line.makefile("rb") as messages, ThreadPoolExecutor(1, thread_name_prefix="relens-host") as asked:
            while line := messages.readline(LONGEST_LINE):
                try:
                    message = json.loads(line)
                    kind = message.pop("kind")
                    if kind in ("frame", "model"):
                        asked.submit(self._answer, kind, message)
                    else:
                        tells[kind](**message)
                except MEANINGLESS as trouble:
                    logger.warning("the function's process sent a message that means nothing: %r", trouble)
            self._gone = True
            self.feeder.stop()  # nobody waits for a frame any more

    def hang_up(self) -> None:
        """Hear nothing more, after what has been said already."""
        with suppress(OSError):
            self._line.shutdown(socket.SHUT_RD)

    def stop(self) -> None:
        """Give no more frames. From any thread or signal handler."""
        self.over = True
        self.feeder.stop()

    def _answer(self, kind: str, message: dict[str, Any]) -> None:
        """In a thread of its own: a frame or a model may be long in coming, and messages go on meanwhile."""
        try:
            answer = self._frame() if kind == "frame" else self._model(**message)
        except RelensError as trouble:
            answer = {"trouble": trouble.to_json()}
            self.lacking = trouble
        except Exception as trouble:  # an answer has to come: the child waits for it
            self.failure = LegacyTrouble(
                "RL-LEGACY-009", f"no {kind} could be given: {trouble!r}", hint="relens doctor"
            )
            answer = {"over": True}
        with self._sending:
            try:
                self._line.sendall(json.dumps(answer).encode() + b"\n")
            except OSError:
                return  # it has gone

    def _frame(self) -> dict[str, Any]:
        if self.limit is not None and self.feeder.taken.count >= self.limit:
            self.over = True
        size = None if self.over else self.feeder.take(self.screen.frame)
        if size is None:
            if not self._gone:
                self.over, self.failure = True, self.feeder.failure
            return {"over": True}
        return {"height": size[0], "width": size[1]}

    def _model(self, path: str, size: list[int] | None) -> dict[str, Any]:
        found = self.models.get(str(path), (int(size[0]), int(size[1])) if size else None)
        self._accept(found)
        self.lacking = None
        if found.note:
            self._warned(found.note)
        synonyms = dict(self.models.samples.synonyms)
        return {"bundle": str(found.bundle), "numbers": dict(found.numbers), "first": found.first, "synonyms": synonyms}

    def _accept(self, found: Found) -> None:
        """A bundle that this machine refuses runs for nobody."""
        if str(found.bundle) not in self._accepted:
            accept(open_bundle(found.bundle, self.folder)).raise_if_refused()
            self._accepted[str(found.bundle)] = None

    def _published(self, topic: str, payload: str) -> None:
        message = self.ledger.publish(str(topic), base64.b64decode(payload, validate=True))
        try:
            self.publish(message)
        except ValueError as trouble:
            self._warned(f"a message on {message.topic[:80]!r} cannot be sent: {trouble}")

    def _predicted(self, took_ms: float, **found: Any) -> None:
        self.ledger.inferences += 1
        self.feeder.timings.add("infer", float(took_ms))
        self.screen.prediction(found)

    def _warned(self, text: str) -> None:
        if self.ledger.warn(str(text)):
            self.note(str(text))

    def _troubled(self, code: str, message: str, hint: str) -> None:
        trouble = _revived(code, message, hint)
        if self.ledger.trouble(trouble):
            self.note(f"{trouble.code}: {trouble.message}; {trouble.hint}")

    def _loaded(self, name: str, sha256: str, labels: list[str], engine: str) -> None:
        if len(self.ledger.models) >= KEPT:
            return
        self.ledger.models[str(name)] = {"sha256": str(sha256), "engine": str(engine)}
        self.screen.model(str(name), str(sha256), tuple(map(str, labels)), str(engine))

    def _walled(self, landlock: int, alone: bool, filtered: bool) -> None:
        self.ledger.walls = {
            "landlock": int(landlock),
            "network_namespace": bool(alone),
            "socket_filter": bool(filtered),
        }

    def _has_ended(self, how: str) -> None:
        self.ended = str(how)

    def _has_failed(self, trouble: dict[str, str], traceback: str) -> None:
        self.failure, self.traceback = _revived(**trouble), str(traceback)


def _revived(code: str, message: str, hint: str) -> RelensError:
    if code not in CODES:
        raise ValueError(f"there is no error {code!r}")
    return LegacyTrouble(code, str(message), hint=str(hint))
