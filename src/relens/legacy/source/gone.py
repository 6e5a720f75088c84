"""Calls that NumPy and OpenCV changed under old functions, whatever language these are written in.

What can be patched from outside is in `old`; here is what only the calling code can tell.

- `x.tostring()` became `x.tobytes()`; an array's methods cannot be patched. `ET.tostring(x)` has an argument and stays.
- `cv2.findContours` gave three values in OpenCV 3, the camera's, and gives two before and after. Code that unpacks
  three gets the picture that it passed in front; `[1]` of the call, the contours then, becomes `[0]`. Code that
  unpacks two, or takes `[-2]`, is right today. A result kept whole and indexed later cannot be told.
"""

import ast


def bring_back(tree: ast.Module) -> tuple[ast.Module, tuple[str, ...]]:
    """The tree with such calls replaced, and a note for each kind."""
    own = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    calls = _Calls(rewrite_tostring="tostring" not in own)
    tree = ast.fix_missing_locations(calls.visit(tree))
    return tree, tuple(f"{what} (line {', '.join(map(str, lines))})" for what, lines in calls.done.items())


class _Calls(ast.NodeTransformer):
    def __init__(self, *, rewrite_tostring: bool) -> None:
        self.rewrite_tostring = rewrite_tostring
        self.done: dict[str, list[int]] = {}

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        method = called(node, "tostring")
        if method and self.rewrite_tostring and not (node.args or node.keywords):
            method.attr = "tobytes"
            self._note("tostring() is tobytes() today", node)
        return node

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        self.generic_visit(node)
        call, target = node.value, node.targets[0]
        if isinstance(call, ast.Call) and called(call, "findContours") and len(getattr(target, "elts", ())) == 3:
            # Only a name can stand twice without being computed twice.
            picture = next((item for item in call.args[:1] if isinstance(item, ast.Name)), ast.Constant(None))
            value = ast.Tuple([picture, ast.Starred(call, ast.Load())], ast.Load())
            node.value = ast.copy_location(value, call)
            self._note("findContours gave three values in OpenCV 3", node)
        return node

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        self.generic_visit(node)
        if called(node.value, "findContours") and isinstance(node.slice, ast.Constant) and node.slice.value == 1:
            node.slice = ast.copy_location(ast.Constant(0), node.slice)
            self._note("findContours gave three values in OpenCV 3", node)
        return node

    def _note(self, what: str, node: ast.stmt | ast.expr) -> None:
        self.done.setdefault(what, []).append(node.lineno)


def called(node: ast.AST, name: str) -> ast.Attribute | None:
    """The attribute of that name that the node calls, if it does."""
    method = node.func if isinstance(node, ast.Call) else None
    return method if isinstance(method, ast.Attribute) and method.attr == name else None
