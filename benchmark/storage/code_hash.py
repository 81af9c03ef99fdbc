"""A hash of the code that computes something, so that a change of that code makes the computed thing stale.

The hash covers the definitions (functions, classes, constants) that are reachable by name from root
definitions. Module names, paths and import lines are no part of the hash: code may be moved and modules
renamed, and nothing becomes stale. Comments, layout, docstrings and annotations of functions do not count.

Names are followed through imports and re-exports, within segalarm and within the package of the root. Two
things are not followed: the packages in `CONTRACTS`, and the classes of objects that a function is given.
Whoever passes a segmenter to a method hashes the segmenter's class as well.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import symtable
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any, NamedTuple

OWN = __name__.partition(".")[0]
CONTRACTS = (f"{OWN}.benchmark.interfaces", f"{OWN}.benchmark.plugins")
"""Packages that say how parts fit together and compute nothing: a change to them makes nothing stale.

A definition of these packages counts where it is a root itself.
"""
UNCOUNTED = "toy"
"""A function of data sets that only tests call; neither the function nor what it alone uses counts."""
MODULE = "a module"
"""Stands for the name of every imported module in the hashed text, so that a module may be renamed."""


class Definition(NamedTuple):
    """A name at the top of a module. The empty name stands for the whole module."""

    module: str
    name: str


def code_hash(*roots: Any) -> str:
    """Hash the code of classes and functions, and of every definition that they reach by name.

    Args:
        roots: classes or functions; a nested one counts as the definition at the top of its module that holds
            it. A text is the dotted name of a module, which counts as a whole.

    Returns:
        16 hexadecimal digits, the same for the same roots in any order.
    """
    return _hash_of(frozenset(definition_of(root) for root in roots))


@cache
def _hash_of(roots: frozenset[Definition]) -> str:
    hashes = {one for root in roots for definition in reached(root) for one in _hashes(definition)}
    return hashlib.sha256("".join(sorted(hashes)).encode()).hexdigest()[:16]


def definition_of(root: Any) -> Definition:
    """Where the code of a class, a function or a module stands."""
    if isinstance(root, str):
        return Definition(root, "")
    return Definition(str(root.__module__), str(root.__qualname__).partition(".")[0])


def reached(root: Definition) -> set[Definition]:
    """The root and every definition that it reaches by name."""
    packages = {OWN, _package_of(root.module)}
    seen: set[Definition] = set()
    waiting = [root]
    while waiting:
        definition = waiting.pop()
        counts = definition == root or not _is_contract(definition.module)
        if counts and definition not in seen and _package_of(definition.module) in packages:
            seen.add(definition)
            waiting += _uses(definition)
    return seen


def _package_of(module: str) -> str:
    return module.partition(".")[0]


def _is_contract(module: str) -> bool:
    return any(module == contract or module.startswith(f"{contract}.") for contract in CONTRACTS)


@dataclass
class _Module:
    """A parsed module, without what computes nothing.

    Attributes:
        defined: name -> the statements at the top of the module that bind the name.
        effects: the other statements at the top, which run at import; they count with every definition.
        imported: name -> all that the name is bound to by imports anywhere in the module.
        for_effect: imports whose name nothing in the module reads, made for what the import does.
    """

    defined: dict[str, list[ast.stmt]] = field(default_factory=dict)
    effects: list[ast.stmt] = field(default_factory=list)
    imported: dict[str, list[Definition]] = field(default_factory=dict)
    for_effect: list[Definition] = field(default_factory=list)

    @cached_property
    def modules(self) -> frozenset[str]:
        """The names that stand for modules."""
        return frozenset(
            name for name, targets in self.imported.items() if all(not target.name for target in targets)
        )

    def statements(self, name: str) -> list[ast.stmt]:
        """The code of a definition, with the effects of its module."""
        own = self.defined.get(name, []) if name else [s for found in self.defined.values() for s in found]
        return [*own, *self.effects]


@cache
def _hashes(definition: Definition) -> tuple[str, ...]:
    """A hash of each statement of a definition."""
    module = _parsed(definition.module)
    if module is None:
        return ()
    texts = [_dumped(statement, module.modules) for statement in module.statements(definition.name)]
    return tuple(hashlib.sha256(text.encode()).hexdigest() for text in texts)


def _dumped(statement: ast.stmt, modules: frozenset[str]) -> str:
    """A statement as text, with one name for all modules."""
    copy = ast.parse(ast.unparse(statement))
    for node in ast.walk(copy):
        if isinstance(node, ast.Name) and node.id in modules:
            node.id = MODULE
    return ast.dump(copy)


@cache
def _uses(definition: Definition) -> tuple[Definition, ...]:
    """The definitions that a definition names, one step away."""
    module = _parsed(definition.module)
    if module is None:
        return ()
    if definition.name and definition.name not in module.defined:
        return tuple(_elsewhere(definition, module))
    return (*module.for_effect, *_named(definition, module))


def _named(definition: Definition, module: _Module) -> Iterator[Definition]:
    """What the names in a definition stand for."""
    for name, attribute in _names(module.statements(definition.name), module.modules):
        if name in module.defined:
            yield Definition(definition.module, name)
        for target in module.imported.get(name, ()):
            # `module.attribute` is that attribute alone; a module that is used otherwise counts as a whole.
            yield Definition(target.module, attribute) if attribute and not target.name else target


def _elsewhere(definition: Definition, module: _Module) -> Iterator[Definition]:
    """Where a name comes from that its module does not define itself."""
    submodule = f"{definition.module}.{definition.name}"
    if definition.name in module.imported:
        yield from module.imported[definition.name]
    elif _source(submodule) is not None:
        yield Definition(submodule, "")
    else:  # made in a way that cannot be followed: the whole module counts
        yield Definition(definition.module, "")


def _names(statements: Iterable[ast.stmt], modules: frozenset[str]) -> set[tuple[str, str]]:
    """(name, attribute) of the global names that statements read; the attribute is empty but of a module."""
    names: set[tuple[str, str]] = set()
    for statement in statements:
        read = _globals(statement)
        attributes = {
            id(node.value): (node.value.id, node.attr)
            for node in ast.walk(statement)
            if isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id in modules
        }
        for node in ast.walk(statement):
            if isinstance(node, ast.Name) and node.id in read:
                names.add(attributes.get(id(node), (node.id, "")))
    return names


def _globals(statement: ast.stmt) -> set[str]:
    """The names that a statement and the functions in it read from the module."""
    names: set[str] = set()
    top = symtable.symtable(ast.unparse(statement), "", "exec")
    waiting = [top]
    while waiting:
        table = waiting.pop()
        waiting += table.get_children()
        names |= {
            symbol.get_name()
            for symbol in table.get_symbols()
            if symbol.is_referenced() and (table is top or symbol.is_global())
        }
    return names


@cache
def _parsed(module: str) -> _Module | None:
    source = _source(module)
    if source is None:
        return None
    whole = ast.parse(source)
    read = {node.id for node in ast.walk(whole) if isinstance(node, ast.Name)}
    tree = _Bare().visit(whole)
    parsed = _Module()
    for node in ast.walk(tree):
        for name, target in _bindings(node, module):
            parsed.imported.setdefault(name, []).append(target)
            # What a package imports and does not read it re-exports.
            if name not in read and not _is_package(module):
                parsed.for_effect.append(target)
    for statement in _Importless().visit(tree).body:
        names = _bound(statement)
        for name in names:
            parsed.defined.setdefault(name, []).append(statement)
        if not names and not isinstance(statement, ast.Pass):
            parsed.effects.append(statement)
    return parsed


def _bindings(node: ast.AST, module: str) -> Iterator[tuple[str, Definition]]:
    """(name, what the name is bound to) of an import that is followed; nothing of any other node."""
    followed = {OWN, _package_of(module)}
    if isinstance(node, ast.Import):
        for alias in node.names:
            # `import a.b` binds `a`. Which part of `a` is used cannot be told: `a.b` counts as a whole.
            if _package_of(alias.name) in followed:
                yield alias.asname or _package_of(alias.name), Definition(alias.name, "")
    elif isinstance(node, ast.ImportFrom) and _package_of(base := _base(node, module)) in followed:
        for alias in node.names:
            submodule = f"{base}.{alias.name}"
            if alias.name == "*":
                yield "*", Definition(base, "")
            elif not _binds(base, alias.name) and _source(submodule) is not None:
                yield alias.asname or alias.name, Definition(submodule, "")
            else:
                yield alias.asname or alias.name, Definition(base, alias.name)


def _base(node: ast.ImportFrom, module: str) -> str:
    """The dotted name of the module that names are imported from."""
    if not node.level:
        return node.module or ""
    parts = module.split(".") if _is_package(module) else module.split(".")[:-1]
    parent = parts[: len(parts) - node.level + 1]
    return ".".join([*parent, node.module] if node.module else parent)


@cache
def _binds(module: str, name: str) -> bool:
    """Whether a package binds a name itself, so that the name is not the submodule of that name."""
    source = _source(module)
    for statement in ast.parse(source).body if source else ():
        if isinstance(statement, ast.ImportFrom):
            # `from . import name` binds the submodule.
            if statement.module and any(name == (alias.asname or alias.name) for alias in statement.names):
                return True
        elif name in _bound(statement):
            return True
    return False


def _bound(statement: ast.AST) -> set[str]:
    """The names that a statement at the top of a module binds, imports aside."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {statement.name}
    if isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        return {node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)}
    if isinstance(statement, ast.If | ast.Try | ast.With | ast.ExceptHandler):
        return {name for part in ast.iter_child_nodes(statement) for name in _bound(part)}
    return set()


class _Bare(ast.NodeTransformer):
    """Takes away what computes nothing: docstrings, annotations of functions, imports for type checkers."""

    def visit_Module(self, node: ast.Module) -> ast.AST:
        return self._without_texts(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return self._without_texts(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST | None:
        return None if node.name == UNCOUNTED else self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._function(node)

    def visit_If(self, node: ast.If) -> ast.AST | None:
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return None
        return self.generic_visit(node)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        node.returns = None
        for argument in ast.walk(node.args):
            if isinstance(argument, ast.arg):
                argument.annotation = None
        node.body = [_unannotated(statement) for statement in node.body]
        return self._without_texts(node)

    def _without_texts(self, node: Any) -> ast.AST:
        self.generic_visit(node)
        node.body = [part for part in node.body if not _is_text(part)] or [ast.Pass()]
        bare: ast.AST = node
        return bare


def _is_text(node: ast.stmt) -> bool:
    """Whether a statement is a string alone: a docstring, or the description below an attribute."""
    if not isinstance(node, ast.Expr) or not isinstance(node.value, ast.Constant):
        return False
    return isinstance(node.value.value, str)


class _Unannotated(ast.NodeTransformer):
    """Takes annotations off local variables; those in a class may be read, by pydantic say, and stay."""

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if node.value is None:
            return ast.Pass()
        return ast.fix_missing_locations(ast.copy_location(ast.Assign([node.target], node.value), node))


def _unannotated(statement: ast.stmt) -> ast.stmt:
    bare: ast.stmt = _Unannotated().visit(statement)
    return bare


class _Importless(ast.NodeTransformer):
    """Takes imports away, and leaves no body empty."""

    def visit(self, node: ast.AST) -> Any:
        """Remove an import; fill a body that is left empty."""
        if isinstance(node, ast.Import | ast.ImportFrom):
            return None
        self.generic_visit(node)
        if getattr(node, "body", None) == [] and not isinstance(node, ast.Module):
            node.body = [ast.Pass()]  # type: ignore[attr-defined]
        return node


@cache
def _origin(module: str) -> str | None:
    """The file of a Python module, or None for what is no Python module (a class, say)."""
    loaded = sys.modules.get(module)
    try:
        spec = loaded.__spec__ if loaded is not None else importlib.util.find_spec(module)
    except (ImportError, AttributeError, ValueError):
        return None
    return None if spec is None or spec.origin is None or not spec.origin.endswith(".py") else spec.origin


def _is_package(module: str) -> bool:
    origin = _origin(module)
    return origin is not None and Path(origin).name == "__init__.py"


@cache
def _source(module: str) -> str | None:
    """The text of a Python module, or None for what is none."""
    origin = _origin(module)
    return None if origin is None else Path(origin).read_text(encoding="utf-8")


def forget() -> None:
    """Forget all modules that were read, for tests that change files."""
    for remembered in (_hash_of, _hashes, _uses, _parsed, _binds, _origin, _source):
        remembered.cache_clear()
