"""A hash of the code that computes something, so that a change of that code makes what it computed stale.

The hash covers the definitions (functions, classes, constants) that are reachable by name from a root
definition. Module names, paths and import lines are no part of it: code may be moved and modules renamed, and
nothing becomes stale. Comments, layout, docstrings and the annotations of functions do not count either.

Followed are names that a definition uses, through imports and re-exports, within the package of the root and
within segalarm. Not followed are `CONTRACTS`, and objects that are passed in: whoever passes a segmenter or a
data set to a method hashes their classes, too.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

OWN = __name__.partition(".")[0]
CONTRACTS = (f"{OWN}.benchmark.interfaces", f"{OWN}.benchmark.plugins")
"""Packages that say how parts fit together and compute nothing: a change to them makes nothing stale."""
UNCOUNTED = "toy"
"""A function of data sets that only tests call; neither the function nor what it alone uses counts."""
MODULE = "a module"
"""Stands for the name of an imported module in what is hashed, so that a module may be renamed."""


class Definition(NamedTuple):
    """A name that a module defines. The empty name stands for the whole module."""

    module: str
    name: str


def code_hash(*roots: Any) -> str:
    """Hash the code of classes and functions, and of every definition that they reach by name.

    Args:
        roots: classes or functions that stand at the top of a module, or whole modules by their dotted names.

    Returns:
        16 hexadecimal digits.
    """
    texts = {text for root in roots for found in reached(_definition_of(root)) for text in _texts(found)}
    digest = hashlib.sha256()
    for text in sorted(texts):
        digest.update(hashlib.sha256(text.encode()).digest())
    return digest.hexdigest()[:16]


def reached(root: Definition) -> set[Definition]:
    """The root and every definition that is reachable from it."""
    followed = {OWN, root.module.partition(".")[0]}
    seen: set[Definition] = set()
    waiting = [root]
    while waiting:
        found = waiting.pop()
        if found in seen or found.module.partition(".")[0] not in followed or _is_contract(found.module):
            continue
        seen.add(found)
        waiting += _uses(found)
    return seen


def _definition_of(root: Any) -> Definition:
    if isinstance(root, str):
        return Definition(root, "")
    return Definition(str(root.__module__), str(root.__qualname__).partition(".")[0])


def _is_contract(module: str) -> bool:
    return any(module == contract or module.startswith(f"{contract}.") for contract in CONTRACTS)


@dataclass
class _Module:
    """A parsed module.

    Attributes:
        defined: name -> the statements at the top of the module that define the name.
        effects: other statements at the top, run at import; they count with every definition.
        imported: name -> what the name stands for; a `Definition` with an empty name is a module.
        unused: modules whose import binds no name that is used anywhere: imported for their effects.
    """

    defined: dict[str, list[ast.stmt]] = field(default_factory=dict)
    effects: list[ast.stmt] = field(default_factory=list)
    imported: dict[str, Definition] = field(default_factory=dict)
    unused: list[Definition] = field(default_factory=list)


def _texts(found: Definition) -> Iterator[str]:
    """What is hashed of a definition."""
    module = _parsed(found.module)
    if module is None:
        return
    modules = frozenset(name for name, target in module.imported.items() if not target.name)
    for statement in _statements(module, found.name):
        yield _dumped(statement, modules)


def _statements(module: _Module, name: str) -> list[ast.stmt]:
    own = module.defined.get(name, []) if name else [s for found in module.defined.values() for s in found]
    return [*own, *module.effects]


def _uses(found: Definition) -> Iterator[Definition]:
    """The definitions that a definition names, one step away."""
    module = _parsed(found.module)
    if module is None:
        return
    if found.name and found.name not in module.defined:
        # The name is re-exported, or the definition is made in a way that cannot be followed.
        target = module.imported.get(found.name)
        if target is not None:
            yield target
        elif _source(f"{found.module}.{found.name}") is not None:
            yield Definition(f"{found.module}.{found.name}", "")
        else:
            yield Definition(found.module, "")
        return
    yield from module.unused
    names = {used for statement in _statements(module, found.name) for used in _names(statement, module)}
    for name, attribute in names:
        target = module.imported.get(name)
        if name in module.defined:
            yield Definition(found.module, name)
        elif target is not None:
            # `module.attribute` is that attribute alone; a module that is used otherwise counts as a whole.
            yield Definition(target.module, attribute) if attribute and not target.name else target


def _names(statement: ast.stmt, module: _Module) -> Iterator[tuple[str, str]]:
    """(name, attribute): the names that a statement reads, the attribute "" unless the name is a module."""
    modules = {name for name, target in module.imported.items() if not target.name}
    taken: set[int] = set()
    for node in ast.walk(statement):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            taken.add(id(node.value))
            yield node.value.id, node.attr
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and id(node) not in taken:
            yield node.id, ""


class _Renamed(ast.NodeTransformer):
    """Gives every imported module one name."""

    def __init__(self, modules: frozenset[str]) -> None:
        self.modules = modules

    def visit_Name(self, node: ast.Name) -> ast.Name:
        return ast.Name(MODULE, node.ctx) if node.id in self.modules else node


def _dumped(statement: ast.stmt, modules: frozenset[str]) -> str:
    if not modules:
        return ast.dump(statement)
    copy = ast.parse(ast.unparse(statement))
    return ast.dump(_Renamed(modules).visit(copy).body[0])


@cache
def _parsed(module: str) -> _Module | None:
    source = _source(module)
    if source is None:
        return None
    tree = _Bare().visit(ast.parse(source))
    found = _Module()
    bindings: list[tuple[str, Definition]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            bindings += _bindings(node, module)
    found.imported = dict(bindings)
    tree = _Importless().visit(tree)
    for statement in tree.body:
        names = list(_bound(statement))
        for name in names:
            found.defined.setdefault(name, []).append(statement)
        if not names and not isinstance(statement, ast.Pass):
            found.effects.append(statement)
    if Path(str(_origin(module))).name != "__init__.py":  # a package's own imports are re-exports
        used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        found.unused = [target for name, target in bindings if name not in used]
    return found


def _bindings(node: ast.Import | ast.ImportFrom, module: str) -> Iterator[tuple[str, Definition]]:
    """(name, what it stands for) of an import."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            if alias.asname:
                yield alias.asname, Definition(alias.name, "")
            else:
                # `import a.b` binds `a`; what of it is used cannot be told from one attribute.
                yield alias.name.partition(".")[0], Definition(alias.name, "")
        return
    base = _base(node, module)
    for alias in node.names:
        if alias.name == "*":
            yield "*", Definition(base, "")
        elif _source(f"{base}.{alias.name}") is not None and not _defines(base, alias.name):
            yield alias.asname or alias.name, Definition(f"{base}.{alias.name}", "")
        else:
            yield alias.asname or alias.name, Definition(base, alias.name)


def _base(node: ast.ImportFrom, module: str) -> str:
    if not node.level:
        return node.module or ""
    is_package = Path(str(_origin(module))).name == "__init__.py"
    package = module if is_package else module.rpartition(".")[0]
    parent = package.split(".")[: len(package.split(".")) - node.level + 1]
    return ".".join([*parent, node.module] if node.module else parent)


def _defines(module: str, name: str) -> bool:
    """Whether a package binds a name itself, so that the name is not the submodule of that name."""
    source = _source(module)
    if source is None:
        return False
    return any(name in _bound(statement) for statement in ast.parse(source).body)


def _bound(statement: ast.stmt) -> set[str]:
    """The names that a statement at the top of a module defines."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {statement.name}
    stored = {
        node.id
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    if isinstance(statement, ast.If | ast.Try):
        stored |= {
            name
            for part in ast.iter_child_nodes(statement)
            if isinstance(part, ast.stmt)
            for name in _bound(part)
        }
    return stored


class _Bare(ast.NodeTransformer):
    """Takes away what computes nothing: docstrings, annotations of functions, imports for type checkers."""

    def _without_docstring(self, node: Any) -> ast.AST:
        self.generic_visit(node)
        body = node.body
        if body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
            body = body[1:]
        node.body = [part for part in body if not _is_text(part)] or [ast.Pass()]
        found: ast.AST = node
        return found

    def visit_Module(self, node: ast.Module) -> ast.AST:
        return self._without_docstring(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return self._without_docstring(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST | None:
        if node.name == UNCOUNTED:
            return None
        node.returns = None
        for argument in ast.walk(node.args):
            if isinstance(argument, ast.arg):
                argument.annotation = None
        return self._without_docstring(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        self.generic_visit(node)
        return node

    def visit_If(self, node: ast.If) -> ast.AST | None:
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return None
        self.generic_visit(node)
        return node


def _is_text(node: ast.stmt) -> bool:
    """Whether a statement is a string alone, such as the description below an attribute."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


class _Importless(ast.NodeTransformer):
    """Takes imports away, and leaves no body empty."""

    def visit_Import(self, node: ast.Import) -> None:
        return None

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        return None

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        for name in ("body", "orelse", "finalbody"):
            if name == "body" and getattr(node, name, None) == []:
                node.body = [ast.Pass()]  # type: ignore[attr-defined]
        return node


@cache
def _origin(module: str) -> str | None:
    loaded = sys.modules.get(module)
    try:
        spec = loaded.__spec__ if loaded is not None else importlib.util.find_spec(module)
    except (ImportError, AttributeError, ValueError):
        return None
    return None if spec is None or spec.origin is None or not spec.origin.endswith(".py") else spec.origin


@cache
def _source(module: str) -> str | None:
    """The module's source, or None for what is no Python module (a class, say)."""
    origin = _origin(module)
    return None if origin is None else Path(origin).read_text(encoding="utf-8")
