"""The mutants of a module: its syntax tree with one small change each. Pure.

The operators are the usual ones (Offutt's sufficient set, statement deletion, and dropped keyword arguments). Texts are
not changed: sentences are read by people, and SQL is tested on the warehouse. Annotations and decorators do nothing
that a test could see.
"""

from __future__ import annotations

import ast
import copy
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}
FUNCTIONS = {"min": "max", "max": "min", "any": "all", "all": "any"}
METHODS = {"startswith": "endswith", "endswith": "startswith", "partition": "rpartition", "rindex": "index"}
UNSEEN = ("strict", "thread_name_prefix", "gc", "frozen", "cancel_futures")
"""Arguments that change nothing while the code around them is right, or only what a person sees."""

Step = tuple[str, int | None]
Edit = Callable[[Any], ast.AST | None]


@dataclass(frozen=True)
class Mutant:
    """One change. `name` is stable while the code around it is: module, function, old text → new text, and which."""

    name: str
    line: int
    tree: Callable[[], ast.Module]


def mutants(source: str, module: str) -> list[Mutant]:
    """All mutants of a module, in the order of its text."""
    tree = ast.parse(source)
    places = list(_places(tree, ()))
    seen: Counter[str] = Counter()
    found = []
    for path, scope in places:
        node = _at(tree, path)
        for edit in _edits(node):
            new = edit(copy.deepcopy(node))
            label = f"{module}: {scope}: {_text(node)} → {_text(new) if new is not None else 'gone'}"
            seen[label] += 1
            number = f" #{seen[label]}" if seen[label] > 1 else ""
            found.append(Mutant(label + number, getattr(node, "lineno", 0), partial(_changed, source, path, new)))
    return found


def _changed(source: str, path: tuple[Step, ...], new: ast.AST | None) -> ast.Module:
    tree = ast.parse(source)
    _put(tree, path, new)
    return ast.fix_missing_locations(tree)


def _places(tree: ast.AST, path: tuple[Step, ...], scope: str = "module") -> Iterator[tuple[tuple[Step, ...], str]]:
    for name, value in ast.iter_fields(tree):
        if name in ("annotation", "returns", "decorator_list", "bases") or (name, type(tree)) == (
            "keywords",
            ast.ClassDef,
        ):
            continue
        children = enumerate(value) if isinstance(value, list) else [(None, value)]
        for index, child in children:
            if not isinstance(child, ast.AST) or _is_unseen(child):
                continue
            inner = scope
            if isinstance(child, ast.FunctionDef | ast.ClassDef):
                inner = child.name if scope == "module" else f"{scope}.{child.name}"
            yield (*path, (name, index)), inner
            yield from _places(child, (*path, (name, index)), inner)


def _is_unseen(node: ast.AST) -> bool:
    if isinstance(node, ast.keyword):
        return node.arg in UNSEEN
    if isinstance(node, ast.Import | ast.ImportFrom):
        return True
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    return isinstance(node, ast.If) and _text(node.test) == "TYPE_CHECKING"


def _edits(node: ast.AST) -> Iterator[Edit]:
    for edits in (_of_operators, _of_constants, _of_statements, _of_calls):
        yield from edits(node)


def _of_operators(node: ast.AST) -> Iterator[Edit]:
    match node:
        case ast.Compare():
            for i, op in enumerate(node.ops):
                for new in COMPARISONS[type(op)]:
                    yield lambda n, i=i, new=new: _set(n, ops=[*n.ops[:i], new(), *n.ops[i + 1 :]])
        case ast.BoolOp():
            yield lambda n: _set(n, op=ast.Or() if isinstance(n.op, ast.And) else ast.And())
        case ast.UnaryOp(op=ast.Not()):
            yield lambda n: n.operand
        case ast.BinOp() | ast.AugAssign() if type(node.op) in ARITHMETIC:
            yield lambda n: _set(n, op=ARITHMETIC[type(n.op)]())


def _of_constants(node: ast.AST) -> Iterator[Edit]:
    match node:
        case ast.Constant(value=bool()):
            yield lambda n: _set(n, value=not n.value)
        case ast.Constant(value=int() | float()):
            yield lambda n: _set(n, value=n.value + 1)
        case ast.If() | ast.IfExp() if not isinstance(node.test, ast.Compare):
            yield lambda n: _set(n, test=ast.Constant(True))
            yield lambda n: _set(n, test=ast.Constant(False))


def _of_statements(node: ast.AST) -> Iterator[Edit]:
    match node:
        case ast.Expr(value=ast.Call()) | ast.Raise() | ast.Assign(targets=[ast.Attribute()]):
            yield lambda n: ast.Pass()
        case ast.Return(value=ast.expr()) if not isinstance(node.value, ast.Constant):
            yield lambda n: _set(n, value=ast.Constant(None))
        case ast.Continue():
            yield lambda n: ast.Break()
        case ast.Break():
            yield lambda n: ast.Continue()


def _of_calls(node: ast.AST) -> Iterator[Edit]:
    match node:
        case ast.keyword(arg=str()):
            yield lambda n: None
        case ast.Call(func=ast.Name(id=name)) if name in FUNCTIONS:
            yield lambda n: _set(n, func=ast.Name(FUNCTIONS[n.func.id], ast.Load()))
        case ast.Call(func=ast.Attribute(attr=name)) if name in METHODS:
            yield lambda n: _set(n, func=_set(n.func, attr=METHODS[n.func.attr]))


def _set(node: ast.AST, **fields: object) -> ast.AST:
    for name, value in fields.items():
        setattr(node, name, value)
    return node


def _at(tree: ast.AST, path: tuple[Step, ...]) -> ast.AST:
    node: ast.AST = tree
    for name, index in path:
        value = getattr(node, name)
        node = value if index is None else value[index]
    return node


def _put(tree: ast.AST, path: tuple[Step, ...], new: ast.AST | None) -> None:
    *before, (name, index) = path
    owner = _at(tree, tuple(before))
    if index is None:
        setattr(owner, name, new)
    elif new is None:
        del getattr(owner, name)[index]
    else:
        getattr(owner, name)[index] = new


def _text(node: ast.AST) -> str:
    """The first line of the code of a node, not too long."""
    text = ast.unparse(node).strip()
    first, _, rest = text.partition("\n")
    return first[:100] + ("…" if rest or len(first) > 100 else "")
