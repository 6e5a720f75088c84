"""Run a function's module, and keep it running for as long as there is something that it does."""

import importlib.util
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

from relens.errors import LegacyTrouble, RelensError
from relens.legacy import source
from relens.legacy.link import Link

IDLE_S = 10.0
"""A function whose import has ended, without a timer, and which took no frame for so long, does nothing any more."""

OURS = str(Path(__file__).parents[1])
CALL_EVERY_S = 1.0
POLL_S = 0.05
HANDLERS = ("lambda_handler", "function_handler", "handler")


class Execution:
    """One function.

    Args:
        link: to the parent.
        file: the module.
        handler: its handler's name; None: whichever of `HANDLERS` it has.
        python: 2 or 3, where it is known.
    """

    def __init__(self, link: Link, file: Path, handler: str | None, python: int | None = None) -> None:
        self.link, self.file, self.handler, self.python = link, file, handler, python
        self._failure: BaseException | None = None

    def run(self) -> None:
        """Until the function ends; says how over the link."""
        threading.excepthook = self._thread_failed
        threads_before = set(threading.enumerate())
        try:
            self._go_on(self._import(), threads_before)
            if self._failure is not None:
                raise self._failure
        except SystemExit as end:
            if end.code not in (None, 0):
                self._tell_failure(
                    LegacyTrouble(
                        "RL-LEGACY-009",
                        f"{self.file.name} called sys.exit({end.code!r})",
                        hint="look at what it printed before",
                    )
                )
            self.link.tell("ended", how=f"it called sys.exit({end.code!r})")
        except BaseException as trouble:  # the edge: whatever the function throws is reported, with its own lines
            self._tell_failure(trouble)
        else:
            self.link.tell("ended", how="nothing that it started is at work any more")

    def _import(self) -> ModuleType:
        adapted = source.adapt(self.file.read_bytes(), str(self.file), python=self.python)
        for note in adapted.notes:
            self.link.warn(f"{self.file.name}: {note}")
        module = ModuleType(self.file.stem)
        module.__file__ = str(self.file)
        module.__spec__ = importlib.util.spec_from_file_location(self.file.stem, self.file)
        sys.modules[self.file.stem] = module
        exec(adapted.code, vars(module))
        return module

    def _go_on(self, module: ModuleType, before: set[threading.Thread]) -> None:
        """Its threads and timers; else its handler, now and again."""
        handler = self._find_handler(module)
        if handler is not None and self.link.frames == 0 and not self._at_work(before) and not _is_empty(handler):
            self.link.warn(f"the function waits to be called: {handler.__name__} is, every {CALL_EVERY_S:g} s")
            while True:
                handler({}, None)
                time.sleep(CALL_EVERY_S)
        frames, since_s = self.link.frames, time.monotonic()
        while True:
            running = self._at_work(before)
            if self.link.frames != frames or self.link.waits:
                frames, since_s = self.link.frames, time.monotonic()
            waits = any(isinstance(thread, threading.Timer) for thread in running)
            if not running or (not waits and time.monotonic() - since_s > IDLE_S):
                return
            time.sleep(POLL_S)

    def _at_work(self, before: set[threading.Thread]) -> list[threading.Thread]:
        """Threads that the function has started, but those that only show pictures: they never end by themselves."""
        showing = self.link.showing
        return [thread for thread in threading.enumerate() if thread not in before and thread not in showing]

    def _find_handler(self, module: ModuleType) -> Callable[..., Any] | None:
        names = (self.handler,) if self.handler else HANDLERS
        found = [getattr(module, name) for name in names if callable(getattr(module, name, None))]
        if self.handler and not found:
            raise LegacyTrouble(
                "RL-LEGACY-002",
                f"{self.file.name} has no {self.handler}",
                hint="name the handler as AWS did: --handler MODULE.FUNCTION",
            )
        return found[0] if found else None

    def _thread_failed(self, arguments: threading.ExceptHookArgs) -> None:
        if arguments.exc_value is None or isinstance(arguments.exc_value, SystemExit):
            return
        name = arguments.thread.name if arguments.thread else "a thread"
        self.link.warn(f"{name} of the function ended: {_short(arguments.exc_value, self.file.parent)}")
        # One that only shows pictures may fail. And others may go on: it tells when nothing is at work any more.
        if isinstance(arguments.thread, threading.Timer) or arguments.thread in self.link.working:
            self._failure = arguments.exc_value

    def _tell_failure(self, trouble: BaseException) -> None:
        told = explained(trouble, self.file.parent)
        self.link.tell("failed", trouble=told.to_json(), traceback=own_lines(trouble))


def explained(trouble: BaseException, folder: Path) -> RelensError:
    """Why a function failed, as an error of ours that says what to do."""
    if isinstance(trouble, RelensError):
        return trouble
    where = _where(trouble.__traceback__, folder)
    if isinstance(trouble, ModuleNotFoundError):
        hint = _HINTS.get(str(trouble.name).partition(".")[0], "pip install it here, or put it beside the function")
        return LegacyTrouble(
            "RL-LEGACY-006", f"the function imports {trouble.name}, and it is not here{where}", hint=hint
        )
    if isinstance(trouble, FileNotFoundError) and trouble.filename is not None:
        return LegacyTrouble(
            "RL-LEGACY-007",
            f"the function opens {trouble.filename}, and there is none{where}",
            hint="put it beside the function",
        )
    return LegacyTrouble(
        "RL-LEGACY-009",
        f"the function failed{where}: {type(trouble).__name__}: {trouble}",
        hint="correct the line that is named; its traceback stands above",
    )


_HINTS = {
    "mxnet": "nothing here runs MXNet: let the function use awscam.Model, with a bundle made from a TensorFlow model",
    "tensorflow": "let the function use awscam.Model; relens convert makes a bundle of its model, at the desk",
    "boto3": "pip install boto3, and --network, or let the function do without AWS",
    "botocore": "pip install botocore, and --network, or let the function do without AWS",
    "dlr": "nothing here runs Neo models: let the function use awscam.Model",
}


def own_lines(trouble: BaseException) -> str:
    """The traceback without what is relens's own, and says nothing about the function."""
    frames = [one for one in traceback.extract_tb(trouble.__traceback__) if not one.filename.startswith(OURS)]
    head = ["Traceback (most recent call last):\n"] if frames else []
    return "".join([*head, *traceback.format_list(frames), *traceback.format_exception_only(type(trouble), trouble)])


def _where(trace: TracebackType | None, folder: Path) -> str:
    """The last of the function's own lines that it went through."""
    lines = [one for one in traceback.extract_tb(trace) if one.filename.startswith(f"{folder}/")]
    return f" ({Path(lines[-1].filename).name}, line {lines[-1].lineno})" if lines else ""


def _short(trouble: BaseException, folder: Path) -> str:
    return f"{type(trouble).__name__}: {trouble}{_where(trouble.__traceback__, folder)}"


def _is_empty(handler: Callable[..., Any]) -> bool:
    """Most are: the work of those functions began at their import, and has ended by now."""
    code = getattr(handler, "__code__", None)
    return code is not None and not code.co_names and not code.co_freevars
