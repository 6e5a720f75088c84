"""Names of Python's own library that are gone: `time.clock`, `os.getcwdu`, `urllib.urlopen`."""

import base64
import collections
import collections.abc
import errno
import inspect
import itertools
import os
import string
import sys
import threading
import time
import urllib
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable
from typing import Any

from relens.legacy.source.old.modules import open_url


def patch() -> None:
    """Adds what is missing."""
    for module, names in _gone():
        add_missing(module, names)
    # ElementTree has been the fast one since 3.3, and its old name went with 3.9.
    import xml.etree.ElementTree

    sys.modules.setdefault("xml.etree.cElementTree", xml.etree.ElementTree)


def add_missing(target: Any, names: dict[str, Any]) -> None:
    """Sets the attributes that the module or class does not have."""
    for name, value in names.items():
        if name not in vars(target):
            setattr(target, name, value)


def _gone() -> Iterable[tuple[Any, dict[str, Any]]]:
    yield time, {"clock": time.perf_counter}
    yield os, {"getcwdu": os.getcwd, "errno": errno}
    yield sys, {"maxint": sys.maxsize, "setdefaultencoding": _ignore}
    yield string, _string()
    yield itertools, {"izip": zip, "imap": map, "ifilter": filter, "izip_longest": itertools.zip_longest}
    yield collections, {name: getattr(collections.abc, name) for name in collections.abc.__all__}
    yield threading.Thread, {"isAlive": threading.Thread.is_alive, **_daemon()}
    yield type(threading.Event()), {"isSet": threading.Event.is_set}
    yield threading, {"_Timer": threading.Timer, "_Event": threading.Event, "currentThread": threading.current_thread}
    yield inspect, {"getargspec": _getargspec}
    yield base64, {"encodestring": base64.encodebytes, "decodestring": base64.decodebytes}
    yield urllib, _urllib()


def _string() -> dict[str, Any]:
    methods: dict[str, Callable[..., Any]] = {
        name: getattr(str, name) for name in ("split", "replace", "strip", "lower", "upper", "find", "zfill", "count")
    }
    return methods | {
        "letters": string.ascii_letters,
        "lowercase": string.ascii_lowercase,
        "uppercase": string.ascii_uppercase,
        "maketrans": str.maketrans,
        "join": lambda words, sep=" ": sep.join(words),
        "atoi": int,
        "atof": float,
    }


def _daemon() -> dict[str, Any]:
    def set_daemon(self: threading.Thread, daemonic: bool) -> None:
        self.daemon = daemonic

    return {"setDaemon": set_daemon, "isDaemon": lambda self: self.daemon, "getName": lambda self: self.name}


def _urllib() -> dict[str, Any]:
    quoting = ("urlencode", "quote", "quote_plus", "unquote", "unquote_plus")
    fetching = ("urlretrieve", "urlcleanup", "pathname2url", "url2pathname")
    return {
        **{name: getattr(urllib.parse, name) for name in quoting},
        **{name: getattr(urllib.request, name) for name in fetching},
        "urlopen": open_url,
    }


def _getargspec(function: Callable[..., Any]) -> tuple[list[str], str | None, str | None, tuple[Any, ...] | None]:
    spec = inspect.getfullargspec(function)
    return spec.args, spec.varargs, spec.varkw, spec.defaults


def _ignore(_encoding: str) -> None:
    """Text is Unicode today, whatever the function asks for."""
