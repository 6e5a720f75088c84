"""What an old function asks for, seen without running it.

Only what stands in the text is found: literals, names and parameters that are given literals, `a + b`,
`os.path.join`, `"...".format(...)` and `"..." % ...`; what is not known of a topic stays as `{}`.
"""

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from relens.legacy.source.adapter import read

# Functions that read the file named by their first argument; all others by that name are taken for such too.
_READERS = {
    "open", "file", "io.open", "codecs.open", "np.load", "numpy.load", "np.loadtxt", "np.genfromtxt", "np.fromfile",
    "cv2.imread", "cv2.CascadeClassifier", "cv2.dnn.readNet", "Image.open", "PIL.Image.open", "ImageFont.truetype",
    "ConfigParser.read", "pickle.load", "mx.model.load_checkpoint",
}  # fmt: skip


@dataclass(frozen=True)
class Needs:
    """What a function asks for; everything sorted and once."""

    modules: tuple[str, ...]
    """Top-level modules that it imports, relative imports left out."""
    optional: tuple[str, ...]
    """Those of them that it can do without: imported only within a `try`."""
    files: tuple[str, ...]
    """Files that it reads, as it names them: relative ones lie beside it."""
    models: tuple[str, ...]
    """Names given to `mo.optimize`, paths given to `awscam.Model`."""
    topics: tuple[str, ...]
    """Topics that it publishes to."""


def needs(source: bytes, filename: str, *, python: int | None = None) -> Needs:
    """Looks at one file; arguments and errors as `adapt`."""
    tree = read(source, filename, python=python).tree
    texts = _Texts(tree)
    modules, optional = set(_imports(tree.body, False)), set(_imports(tree.body, True))
    files: set[str] = set()
    models: set[str] = set()
    topics: set[str] = set()
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        name = _dotted(call.func)
        if name in _READERS and not _writes(call, texts):
            files.update(texts.of(_argument(call, 0)))
        elif name in ("mo.optimize", "optimize"):
            models.update(texts.of(_argument(call, 0, "model_name")))
        elif name in ("awscam.Model", "Model"):
            models.update(texts.of(_argument(call, 0, "model_topology_file")))
        elif name.endswith(".publish"):
            topics.update(texts.of(_argument(call, 0, "topic")))
    everything = (modules | optional, optional - modules, files, models, topics)
    return Needs(*(tuple(sorted(names)) for names in everything))


class _Texts:
    """The strings that an expression can be; names are taken for the same in the whole file."""

    def __init__(self, tree: ast.AST) -> None:
        self.given: dict[str, list[ast.expr]] = {}
        nodes = list(ast.walk(tree))
        parameters = {node.name: node.args.args for node in nodes if isinstance(node, ast.FunctionDef)}
        for node in nodes:
            match node:
                case ast.Assign(targets=targets, value=value):
                    self._give(map(_dotted, targets), [value] * len(targets))
                case ast.Call(func=ast.Name(id=name), args=args) if name in parameters:
                    self._give((parameter.arg for parameter in parameters[name]), args)
                case ast.FunctionDef(args=ast.arguments(args=args, defaults=defaults)) if defaults:
                    self._give((parameter.arg for parameter in args[-len(defaults) :]), defaults)

    def _give(self, names: Iterable[str], values: Iterable[ast.expr]) -> None:
        for name, value in zip(names, values, strict=False):
            self.given.setdefault(name, []).append(value)

    def of(self, node: ast.expr | None, depth: int = 8) -> list[str]:
        """All of them, none if it cannot be told."""
        match node:
            case ast.Constant(value=str(text)):
                return [text]
            case ast.Name() | ast.Attribute() if depth:
                values = self.given.get(_dotted(node), [])
                return [text for value in values for text in self.of(value, depth - 1)]
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return [a + b for a in self.of(left, depth) for b in self.of(right, depth)]
            case ast.BinOp(left=left, op=ast.Mod()):
                return [re.sub("%[sdr]", "{}", text) for text in self.of(left, depth)]
            case ast.Call(func=ast.Attribute(value=left, attr="format")):
                return self.of(left, depth)
            case ast.JoinedStr(values=values):
                return ["".join(str(v.value) if isinstance(v, ast.Constant) else "{}" for v in values)]
            case ast.Call(func=function, args=args) if _dotted(function) in ("os.path.join", "join"):
                return self._joined(args, depth)
        return []

    def _joined(self, args: list[ast.expr], depth: int) -> list[str]:
        if args and any(isinstance(n, ast.Name) and n.id == "__file__" for n in ast.walk(args[0])):
            args = args[1:]  # beside the function
        parts = [self.of(arg, depth)[:1] for arg in args]
        return ["/".join(part[0] for part in parts)] if parts and all(parts) else []


def _argument(call: ast.Call, place: int, name: str | None = None) -> ast.expr | None:
    named = [keyword.value for keyword in call.keywords if keyword.arg == name]
    return next(iter([*call.args[place : place + 1], *named]), None)


def _writes(call: ast.Call, texts: _Texts) -> bool:
    mode = _argument(call, 1, "mode")
    return (
        any(set(text) & set("wax") for text in texts.of(mode))
        if _dotted(call.func).endswith(("open", "file"))
        else False
    )


def _dotted(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=name):
            return f"{_dotted(value)}.{name}"
    return ""


def _imports(nodes: Iterable[ast.AST], within_try: bool, now: bool = False) -> Iterator[str]:
    """Imported modules: those within a `try` that catches an import's failure, or all others."""
    for node in nodes:
        if now == within_try:
            if isinstance(node, ast.Import):
                yield from (alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                yield node.module.partition(".")[0]
        guarded = now or (isinstance(node, ast.Try) and isinstance(node.body[0], ast.Import | ast.ImportFrom))
        yield from _imports(ast.iter_child_nodes(node), within_try, guarded)
