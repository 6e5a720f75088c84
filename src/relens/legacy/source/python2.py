"""What the same syntax meant to Python 2, kept by calls into `meanings`.

- `/` between integers floors, unless the file imports division from the future.
- `map`, `filter`, `zip`, `range`, `round` and `sorted(cmp=)` are the old ones; `unicode`, `xrange`, `long` are there.
- `d.keys()`, `.values()`, `.items()` are lists; `.has_key()`, `.iteritems()` and `.next()` are there.
- `e` of `except E, e` outlives its block and has a `.message`.
- classes: `__metaclass__`, `__nonzero__`, `__div__`, `next`.
- `global x` may stand after `x` was used; base64 of a picture is text.
- inside of a package, a module beside this one is imported by its bare name.

Left as Python 3 has it: a string of bytes is not text, and comparing different types is an error.
"""

import ast
from collections.abc import Sequence

from relens.legacy.source.meanings import BUILTINS, CODECS
from relens.legacy.source.telltales import divides_truly, globals_of

HOME = "relens.legacy.source.meanings"
ALIAS = "__python2__"

_ITERATORS = {f"{kind}{what}" for kind in ("iter", "view") for what in ("keys", "values", "items")}
_DUNDERS = {"__nonzero__": "__bool__", "__div__": "__truediv__", "__rdiv__": "__rtruediv__", "next": "__next__"}


def keep_meaning(tree: ast.Module, siblings: frozenset[str] = frozenset()) -> ast.Module:
    """The tree of a Python 2 file (in Python 3's syntax) with its old meaning.

    Args:
        tree: the whole module.
        siblings: the modules and packages in the same package, if the file is a part of one.
    """
    meaning = _Meaning(divides_truly(tree), siblings)
    meaning.visit(tree)
    names = [ast.alias(BUILTINS[name], name) for name in sorted(meaning.builtins)]
    prelude: list[ast.stmt] = [ast.Import([ast.alias(HOME, ALIAS)])]
    if names:
        prelude.append(ast.ImportFrom(HOME, names, 0))
    at = _after_futures(tree.body)
    for statement in prelude:
        statement.lineno = statement.end_lineno = tree.body[at].lineno if at < len(tree.body) else 1
        statement.col_offset = statement.end_col_offset = 0
    tree.body[at:at] = prelude
    return ast.fix_missing_locations(tree)


def _after_futures(body: Sequence[ast.stmt]) -> int:
    """Where the first statement may stand: after the docstring and what is imported from the future."""
    last = 0
    for at, statement in enumerate(body):
        docstring = at == 0 and isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        if docstring or (isinstance(statement, ast.ImportFrom) and statement.module == "__future__"):
            last = at + 1
    return last


class _Meaning(ast.NodeTransformer):
    def __init__(self, divides_truly: bool, siblings: frozenset[str]) -> None:
        self.divides_truly = divides_truly
        self.siblings = siblings
        self.builtins: set[str] = set()
        self.caught: list[str] = []
        self.moved: set[ast.Global] = set()

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if isinstance(node.ctx, ast.Load) and node.id in BUILTINS:
            self.builtins.add(node.id)
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.op, ast.Div) and not self.divides_truly:
            return _call("divide", node, node.left, node.right)
        return node

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.op, ast.Div) and not self.divides_truly:
            node.value = _call("Divisor", node.value, node.value)
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if not isinstance(node.func, ast.Attribute):
            return node
        thing, method, arguments = node.func.value, node.func.attr, len(node.args) + len(node.keywords)
        name: ast.expr = ast.copy_location(ast.Constant(method), node)
        first = getattr(node.args[0], "value", None) if node.args else None
        match method, arguments:
            case (("keys" | "values" | "items"), 0):
                return _call("listed", node, thing, name)
            case _, 0 if method in _ITERATORS:
                return _call("iterated", node, thing, name)
            case "next", 0:
                return _call("advance", node, thing)
            case (("b64encode" | "urlsafe_b64encode" | "encodestring"), 1) if getattr(thing, "id", "") == "base64":
                return _call("ascii_text", node, node)
            case "has_key", 1:
                return _call("has_key", node, thing, *node.args)
            case "sort", _ if node.args or any(keyword.arg == "cmp" for keyword in node.keywords):
                return _call("sort", node, thing, *node.args, keywords=node.keywords)
            case (("encode" | "decode"), 1) if first in CODECS:
                return _call("transcode", node, thing, name, *node.args)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        late = globals_of(node)
        self.moved |= set(late)
        self.generic_visit(node)
        for item in late:
            node.body.insert(_after_futures(node.body), item)
        return node

    def visit_Global(self, node: ast.Global) -> ast.AST:
        return ast.copy_location(ast.Pass(), node) if node in self.moved else node

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.AST:
        if node.name is None:
            return self.generic_visit(node)
        self.caught.append(node.name)
        self.generic_visit(node)
        self.caught.pop()
        # Python 3 deletes the name after the block: so another one is caught, and this one assigned.
        inner, name = f"{ALIAS}{node.name}", node.name
        keep = ast.Assign([ast.Name(name, ast.Store())], ast.Name(inner, ast.Load()))
        node.name = inner
        node.body.insert(0, ast.fix_missing_locations(ast.copy_location(keep, node)))
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        named = isinstance(node.value, ast.Name) and node.value.id in self.caught
        if named and node.attr == "message" and isinstance(node.ctx, ast.Load):
            return _call("message", node, node.value)
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        self.generic_visit(node)
        defined = {item.name for item in node.body if isinstance(item, ast.FunctionDef)}
        for item in list(node.body):
            match item:
                case ast.Assign(targets=[ast.Name(id="__metaclass__")], value=value):
                    node.keywords.append(ast.keyword("metaclass", value))
                case ast.FunctionDef(name=old) if old in _DUNDERS and _DUNDERS[old] not in defined:
                    alias = ast.Assign([ast.Name(_DUNDERS[old], ast.Store())], ast.Name(old, ast.Load()))
                    node.body.append(ast.fix_missing_locations(ast.copy_location(alias, item)))
        return node

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST:
        if node.level == 0 and (node.module or "").partition(".")[0] in self.siblings:
            node.level = 1
        return node

    def visit_Import(self, node: ast.Import) -> ast.AST | list[ast.AST]:
        if not any(alias.name in self.siblings for alias in node.names):
            return node
        return [
            ast.copy_location(
                ast.ImportFrom(None, [alias], 1) if alias.name in self.siblings else ast.Import([alias]), node
            )
            for alias in node.names
        ]


def _call(name: str, place: ast.expr, *args: ast.expr, keywords: Sequence[ast.keyword] = ()) -> ast.Call:
    function = ast.Attribute(ast.Name(ALIAS, ast.Load()), name, ast.Load())
    return ast.fix_missing_locations(ast.copy_location(ast.Call(function, list(args), list(keywords)), place))
