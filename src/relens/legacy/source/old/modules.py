"""Modules under their Python 2 names: `import urllib2`, `from StringIO import StringIO`."""

import importlib
import io
import sys
import types
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from typing import Any

OLD_MODULES: dict[str, tuple[str, ...]] = {
    "BaseHTTPServer": ("http.server",),
    "ConfigParser": ("configparser",),
    "Cookie": ("http.cookies",),
    "HTMLParser": ("html.parser",),
    "Queue": ("queue",),
    "SimpleHTTPServer": ("http.server",),
    "SocketServer": ("socketserver",),
    "StringIO": (),
    "__builtin__": ("builtins",),
    "cPickle": ("pickle",),
    "cStringIO": (),
    "commands": (),
    "cookielib": ("http.cookiejar",),
    "copy_reg": ("copyreg",),
    "exceptions": ("builtins",),
    "httplib": ("http.client",),
    "md5": (),
    "thread": ("_thread",),
    "urllib2": ("urllib.response", "urllib.parse", "urllib.error", "urllib.request"),
    "urlparse": ("urllib.parse",),
    "xmlrpclib": ("xmlrpc.client",),
}
"""Old modules, and those whose names each has today; the rest of what it had is in `_extra`."""


def install() -> None:
    """From now on the old modules can be imported, where nothing else is found under their names."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.append(_Finder())  # last: a function's own Queue.py comes first


class _Finder(MetaPathFinder, Loader):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> ModuleSpec | None:
        return ModuleSpec(fullname, self) if fullname in OLD_MODULES else None

    def exec_module(self, module: types.ModuleType) -> None:
        for source in OLD_MODULES[module.__name__]:
            today = importlib.import_module(source)
            vars(module).update({name: vars(today)[name] for name in vars(today) if not name.startswith("__")})
        vars(module).update(_extra(module.__name__))


class StringIO:
    """A file in memory that takes text or bytes, whichever comes first, as Python 2's did."""

    def __init__(self, content: Any = b"") -> None:
        self._file: Any = io.StringIO(content) if isinstance(content, str) else io.BytesIO(content)

    def write(self, data: Any) -> int:
        """Appends at the position."""
        if isinstance(data, str) and isinstance(self._file, io.BytesIO):
            if self._file.getbuffer().nbytes == 0:
                self._file = io.StringIO()
            else:
                data = data.encode("utf-8")
        return int(self._file.write(data))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __iter__(self) -> Any:
        return iter(self._file)


def _extra(name: str) -> dict[str, Any]:
    if name in ("StringIO", "cStringIO"):
        return {"StringIO": StringIO}
    if name == "ConfigParser":
        import configparser

        return {"SafeConfigParser": configparser.ConfigParser}
    if name == "commands":
        import subprocess

        return {"getoutput": subprocess.getoutput, "getstatusoutput": subprocess.getstatusoutput}
    if name == "md5":
        import hashlib

        return {"new": hashlib.md5, "md5": hashlib.md5}
    if name == "thread":
        return {"start_new": _start_thread, "start_new_thread": _start_thread}
    return _urllib2() if name == "urllib2" else {}


def _start_thread(function: Any, arguments: tuple[Any, ...], named: Any = None) -> int:
    """As a thread that others see: whoever asks what is still at work has to find it."""
    from threading import Thread

    thread = Thread(target=function, args=arguments, kwargs=named or {}, daemon=True)
    thread.start()
    return thread.ident or 0


def open_url(url: Any, data: Any = None, *args: Any, **kwargs: Any) -> Any:
    """Opens an address; data may be text, as `urllib.urlencode` gives it."""
    from urllib import request

    return request.urlopen(url, _bytes(data), *args, **kwargs)


def _urllib2() -> dict[str, Any]:
    from urllib import request

    class Request(request.Request):
        def __init__(self, url: str, data: Any = None, *args: Any, **kwargs: Any) -> None:
            super().__init__(url, _bytes(data), *args, **kwargs)

    return {"Request": Request, "urlopen": open_url}


def _bytes(data: Any) -> Any:
    return data.encode("utf-8") if isinstance(data, str) else data
