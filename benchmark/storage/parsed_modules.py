"""The source of Python modules, taken apart into definitions, for the hash of code."""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any, NamedTuple

OWN = __name__.partition(".")[0]
"""The package whose definitions count, beside those of a plugin's own package."""
UNCOUNTED = "toy"
"""A class method of data sets that only tests call; neither the method nor what it alone uses counts."""


class Definition(NamedTuple):
    """A name at the top of a module. The empty name stands for the whole module."""

    module: str
    name: str


@dataclass
class ParsedModule:
    """A parsed module, without what computes nothing.

    Attributes:
        defined: name -> the statements at the top of the module that bind the name.
        effects: the other statements at the top, which run at import; they count with every definition.
        imported: name -> all that imports of followed packages, anywhere in the module, bind the name to.
        libraries: name -> the dotted names that imports of other packages bind the name to.
        for_effect: imports whose name nothing in the module reads, made for what the import does.
    """

    defined: dict[str, list[ast.stmt]] = field(default_factory=dict)
    effects: list[ast.stmt] = field(default_factory=list)
    imported: dict[str, list[Definition]] = field(default_factory=dict)
    libraries: dict[str, list[str]] = field(default_factory=dict)
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


def package_of(module: str) -> str:
    """The top-level package of a dotted name."""
    return module.partition(".")[0]


@cache
def parsed(module: str) -> ParsedModule | None:
    """A module, taken apart; None for what is no Python module."""
    source = source_of(module)
    if source is None:
        return None
    whole = ast.parse(source)
    read = {node.id for node in ast.walk(whole) if isinstance(node, ast.Name)}
    tree = _Bare().visit(whole)
    parsed = ParsedModule()
    for node in ast.walk(tree):
        for name, library in _library_bindings(node, module):
            parsed.libraries.setdefault(name, []).append(library)
        for name, target in _bindings(node, module):
            parsed.imported.setdefault(name, []).append(target)
            # A package's unused imports are re-exports, not imports for their effects.
            if name == "*" or (name not in read and not is_package(module)):
                parsed.for_effect.append(target)
    for statement in _Importless().visit(tree).body:
        names = _bound(statement)
        for name in names:
            parsed.defined.setdefault(name, []).append(statement)
        if not names and not isinstance(statement, ast.Pass):
            parsed.effects.append(statement)
    return parsed


def _library_bindings(node: ast.AST, module: str) -> Iterator[tuple[str, str]]:
    """(name, dotted name of what the name is bound to) of an import of a package that is not followed."""
    followed = {OWN, package_of(module)}
    if isinstance(node, ast.Import):
        for alias in node.names:
            if package_of(alias.name) not in followed:
                yield (
                    alias.asname or package_of(alias.name),
                    alias.name if alias.asname else package_of(alias.name),
                )
    elif isinstance(node, ast.ImportFrom) and package_of(base := _base(node, module)) not in followed:
        for alias in node.names:
            yield alias.asname or alias.name, f"{base}.{alias.name}"


def _bindings(node: ast.AST, module: str) -> Iterator[tuple[str, Definition]]:
    """(name, what the name is bound to) of an import that is followed; nothing of any other node."""
    followed = {OWN, package_of(module)}
    if isinstance(node, ast.Import):
        for alias in node.names:
            # `import a.b` binds `a`. Which part of `a` is used cannot be told: `a.b` counts as a whole.
            if package_of(alias.name) in followed:
                yield alias.asname or package_of(alias.name), Definition(alias.name, "")
    elif isinstance(node, ast.ImportFrom) and package_of(base := _base(node, module)) in followed:
        for alias in node.names:
            submodule = f"{base}.{alias.name}"
            if alias.name == "*":
                yield "*", Definition(base, "")
            elif not _binds(base, alias.name) and source_of(submodule) is not None:
                yield alias.asname or alias.name, Definition(submodule, "")
            else:
                yield alias.asname or alias.name, Definition(base, alias.name)


def _base(node: ast.ImportFrom, module: str) -> str:
    """The dotted name of the module that names are imported from."""
    if not node.level:
        return node.module or ""
    parts = module.split(".") if is_package(module) else module.split(".")[:-1]
    parent = parts[: len(parts) - node.level + 1]
    return ".".join([*parent, node.module] if node.module else parent)


@cache
def _binds(module: str, name: str) -> bool:
    """Whether a package binds a name itself, so that the name is not the submodule of that name."""
    source = source_of(module)
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
        node.body = [part for part in node.body if not _is_uncounted(part)]
        return self._without_texts(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._function(node)

    def visit_If(self, node: ast.If) -> Any:
        self.generic_visit(node)
        for_types = isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        return node.orelse if for_types else node

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


def _is_uncounted(node: ast.stmt) -> bool:
    """Whether a part of a class is the class method `UNCOUNTED`."""
    return isinstance(node, ast.FunctionDef) and node.name == UNCOUNTED and bool(node.decorator_list)


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
def origin_of(module: str) -> str | None:
    """The file of a Python module, or None for what is no Python module (a class, say)."""
    loaded = sys.modules.get(module)
    try:
        spec = loaded.__spec__ if loaded is not None else importlib.util.find_spec(module)
    except (ImportError, AttributeError, TypeError, ValueError):
        return None
    return None if spec is None or spec.origin is None or not spec.origin.endswith(".py") else spec.origin


def is_package(module: str) -> bool:
    """Whether a module is a package."""
    origin = origin_of(module)
    return origin is not None and Path(origin).name == "__init__.py"


@cache
def source_of(module: str) -> str | None:
    """The text of a Python module, or None for what is none."""
    origin = origin_of(module)
    return None if origin is None else Path(origin).read_text(encoding="utf-8")


def forget() -> None:
    """Forget all modules that were read, for tests that change files."""
    for remembered in (parsed, _binds, origin_of, source_of):
        remembered.cache_clear()
