"""What gives a file away as Python 2 although Python 3 can parse it.

A sign counts only where the code relies on it: not behind `try: ... except ImportError`, not under a question about
the version, and not where the file itself defines the name.
"""

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from relens.legacy.source.old.modules import OLD_MODULES

_SHEBANG = re.compile(r"#!.*python2")
_FALLBACKS = {"ImportError", "ModuleNotFoundError", "NameError", "AttributeError"}
_BUILTINS = {"unicode", "xrange", "raw_input", "basestring", "unichr", "long", "execfile", "reduce", "file", "cmp"}
_METHODS = {"has_key", "iteritems", "iterkeys", "itervalues", "viewitems", "viewkeys", "viewvalues"}
_ATTRIBUTES = {
    "urllib": {"urlopen", "urlretrieve", "urlencode", "quote", "quote_plus", "unquote", "unquote_plus", "URLopener"},
    "itertools": {"izip", "imap", "ifilter", "izip_longest"},
    "string": {"letters", "lowercase", "uppercase", "maketrans", "join", "split", "replace", "atoi", "atof"},
    "sys": {"maxint", "setdefaultencoding"},
    "os": {"getcwdu"},
}


@dataclass(frozen=True)
class Telltale:
    """A sign of Python 2, and the line where it stands."""

    line: int
    what: str
    is_statement: bool = False
    """Whether it is syntax that Python 3 understands as something else."""


def telltales(tree: ast.Module, text: str) -> list[Telltale]:
    """The signs in a file that Python 3 has parsed, in the order of lines."""
    found = [Telltale(1, "#! names python2")] if _SHEBANG.match(text) else []
    bound = _bound(tree)
    for node in _relied_on(tree.body):
        found += _signs(node, bound)
    return sorted(found, key=lambda item: item.line)


def divisions(tree: ast.Module) -> tuple[int, ...]:
    """Lines with a `/` of which neither side is seen to be a float."""
    if divides_truly(tree):
        return ()
    pairs = (
        (node.lineno, (node.left, node.right) if isinstance(node, ast.BinOp) else (node.target, node.value))
        for node in ast.walk(tree)
        if isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div)
    )
    return tuple(sorted({line for line, sides in pairs if not any(map(_is_float, sides))}))


def divides_truly(tree: ast.Module) -> bool:
    """Whether the file says `from __future__ import division`."""
    futures = (node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module == "__future__")
    return any(alias.name == "division" for node in futures for alias in node.names)


def globals_of(function: ast.FunctionDef) -> list[ast.Global]:
    """The `global` statements that stand below a use of one of their names, which Python 3 refuses."""
    inner = [node for node in ast.walk(function) if node is not function and isinstance(node, ast.FunctionDef)]
    others = {id(child) for node in inner for child in ast.walk(node)}
    nodes = [node for node in ast.walk(function) if id(node) not in others]
    first: dict[str, int] = {}
    for name in (node for node in nodes if isinstance(node, ast.Name)):
        first[name.id] = min(name.lineno, first.get(name.id, name.lineno))
    late = (node for node in nodes if isinstance(node, ast.Global))
    return [node for node in late if any(first.get(name, node.lineno) < node.lineno for name in node.names)]


def _is_float(node: ast.expr) -> bool:
    if isinstance(node, ast.BinOp):
        return _is_float(node.left) or _is_float(node.right)
    if isinstance(node, ast.Call):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        return name in ("float", "time", "sum", "sqrt", "norm", "mean", "exp")
    return isinstance(node, ast.Constant) and isinstance(node.value, float)


def _relied_on(nodes: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """All nodes but those of which the code has another way."""
    for node in nodes:
        if isinstance(node, ast.Try) and _falls_back(node):
            yield from _relied_on([*node.orelse, *node.finalbody])
        elif not (isinstance(node, ast.If | ast.IfExp) and _asks_version(node.test)):
            yield node
            yield from _relied_on(ast.iter_child_nodes(node))


def _falls_back(node: ast.Try) -> bool:
    names = {name.id for handler in node.handlers for name in _names(handler.type)}
    imports = isinstance(node.body[0], ast.Import | ast.ImportFrom) and bool(node.handlers)
    return imports or bool(names & _FALLBACKS)


def _asks_version(test: ast.expr) -> bool:
    words = {getattr(node, "attr", getattr(node, "id", "")) for node in ast.walk(test)}
    return bool(words & {"version_info", "hexversion", "PY2", "PY3", "version", "python_version"})


def _names(node: ast.AST | None) -> Iterator[ast.Name]:
    return (child for child in ast.walk(node) if isinstance(child, ast.Name)) if node else iter(())


def _bound(tree: ast.Module) -> set[str]:
    """Every name that the file defines, wherever it does; not those that name a module itself."""
    names: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
                names.add(name)
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.ExceptHandler(name=str(name)):
                names.add(name)
            case ast.alias(name="*"):
                names |= _BUILTINS
            case ast.alias(name=name, asname=asname) if asname not in (None, name):
                names.add(str(asname))
            case ast.ImportFrom(names=aliases):
                names |= {alias.name for alias in aliases}
    return names


def _signs(node: ast.AST, bound: set[str]) -> Iterator[Telltale]:
    match node:
        case ast.Import(names=aliases, lineno=line):
            roots = [alias.name.partition(".")[0] for alias in aliases]
            yield from (Telltale(line, f"import {root}") for root in roots if root in OLD_MODULES)
        case ast.ImportFrom(module=str(module), names=aliases, level=0, lineno=line):
            if module.partition(".")[0] in OLD_MODULES:
                yield Telltale(line, f"from {module} import")
            old = _ATTRIBUTES.get(module, set())
            yield from (Telltale(line, f"from {module} import {a.name}") for a in aliases if a.name in old)
        case ast.Name(id=name, ctx=ast.Load(), lineno=line) if name in _BUILTINS - bound:
            yield Telltale(line, name)
        case ast.Call(func=ast.Attribute(attr=name), lineno=line) if name in _METHODS:
            yield Telltale(line, f".{name}()")
        case ast.Attribute(value=ast.Name(id=module), attr=name, lineno=line) if module not in bound:
            if name in _ATTRIBUTES.get(module, ()):
                yield Telltale(line, f"{module}.{name}")
        case ast.BinOp(left=ast.Name(id="print"), op=ast.RShift(), lineno=line):
            yield Telltale(line, "print >>", is_statement=True)
        case ast.FunctionDef():
            yield from (Telltale(item.lineno, "global after a use") for item in globals_of(node))
        case ast.ClassDef(body=body):
            targets = (target for item in body if isinstance(item, ast.Assign) for target in item.targets)
            lines = (target.lineno for target in targets if getattr(target, "id", "") == "__metaclass__")
            yield from (Telltale(line, "__metaclass__") for line in lines)
