"""A hash of the code that computes something, so that a change of that code makes the computed thing stale.

The hash covers the definitions (functions, classes, constants) that are reachable by name from root
definitions. Module names, paths and import lines are no part of the hash: code may be moved and modules
renamed, and nothing becomes stale. Comments, layout, docstrings and annotations of functions do not count.

Names are followed through imports and re-exports, within segalarm and within the package of the root. Two
things are not followed: the packages in `CONTRACTS`, and the classes of objects that a function is given.
If a method is given a segmenter, the caller must add the segmenter's class as a root.
"""

from __future__ import annotations

import ast
import hashlib
import symtable
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any

from . import parsed_modules
from .parsed_modules import OWN, Definition, ParsedModule, package_of, parsed, source_of

CONTRACTS = (f"{OWN}.benchmark.interfaces", f"{OWN}.benchmark.plugins")
"""Packages that say how parts fit together and compute nothing: a change to them makes nothing stale.

A definition of these packages counts only if it is passed to `code_hash` directly.
"""
MODULE = "a module"
"""Stands for every imported module in the hashed text, so that a module may be renamed."""
DESCRIBED = "DatasetInfo"
PROSE = ("summary", "layout", "source", "licence", "citation")
"""Arguments of `DESCRIBED` that people read and nothing computes with."""


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
    packages = {OWN, package_of(root.module)}
    seen: set[Definition] = set()
    waiting = [root]
    while waiting:
        definition = waiting.pop()
        counts = definition == root or not _is_contract(definition.module)
        if counts and definition not in seen and package_of(definition.module) in packages:
            seen.add(definition)
            waiting += _uses(definition)
    return seen


def _is_contract(module: str) -> bool:
    return any(module == contract or module.startswith(f"{contract}.") for contract in CONTRACTS)


@cache
def _hashes(definition: Definition) -> tuple[str, ...]:
    """A hash of each statement of a definition."""
    module = parsed(definition.module)
    if module is None:
        return ()
    texts = [_text(statement, definition.module, module) for statement in module.statements(definition.name)]
    return tuple(hashlib.sha256(text.encode()).hexdigest() for text in texts)


def _text(statement: ast.stmt, name: str, module: ParsedModule) -> str:
    """A statement of the module `name` as text, in which global names are replaced by what they stand for."""
    copy = ast.parse(ast.unparse(statement))
    return ast.unparse(_Resolver(name, module, _globals(copy), _signature).visit(copy))


class _Resolver(ast.NodeTransformer):
    """Replaces global names by what they stand for, and texts for people by nothing.

    A name in a library becomes its dotted name, so that an alias does not matter, but another library does.

    Args:
        stands_for: the text that takes the place of a name of the project.
    """

    def __init__(
        self,
        name: str,
        module: ParsedModule,
        names: frozenset[str],
        stands_for: Callable[[Definition], str],
    ) -> None:
        self.name = name
        self.module = module
        self.names = names
        self.stands_for = stands_for

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        """`module.attribute` stands for the attribute."""
        value = node.value
        if isinstance(value, ast.Name) and value.id in self.names & self.module.modules:
            targets = [Definition(target.module, node.attr) for target in self.module.imported[value.id]]
            return ast.Name(_joined(map(self.stands_for, targets)), node.ctx)
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        """A global name stands for a definition, a module or a library's name."""
        if node.id not in self.names or not isinstance(node.ctx, ast.Load):
            return node
        if node.id in self.module.defined:
            return ast.Name(self.stands_for(Definition(self.name, node.id)), node.ctx)
        imported = [self.stands_for(target) for target in self.module.imported.get(node.id, ())]
        return ast.Name(_joined([*imported, *self.module.libraries.get(node.id, ())]) or node.id, node.ctx)

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        """What an error says computes nothing."""
        for part in ast.walk(node):
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                part.value = ""
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Nor do the facts of a data set that people read."""
        if isinstance(node.func, ast.Name) and node.func.id == DESCRIBED:
            node.keywords = [keyword for keyword in node.keywords if keyword.arg not in PROSE]
        return self.generic_visit(node)


def _joined(signatures: Iterable[str]) -> str:
    return "|".join(sorted(set(signatures)))


@cache
def _signature(definition: Definition) -> str:
    """What stands for a definition in the text of a statement that names it: a hash of its own statements.

    So neither the definition's module nor an alias matters, but another definition under one alias does.
    """
    home = _home(definition)
    module = parsed(home.module)
    if module is None or home.name not in module.defined or _is_contract(home.module):
        return _home_name(home)
    own = ast.parse("\n".join(ast.unparse(statement) for statement in module.defined[home.name]))
    text = ast.unparse(_Resolver(home.module, module, _globals(own), _name_at_home).visit(own))
    return f"@{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _name_at_home(definition: Definition) -> str:
    """The name that a definition has in the module that defines it."""
    return _home_name(_home(definition))


def _home_name(home: Definition) -> str:
    return home.name or MODULE


def _home(definition: Definition) -> Definition:
    """The definition that a re-exported name stands for."""
    module = parsed(definition.module)
    while module is not None and definition.name not in module.defined and definition.name in module.imported:
        definition = module.imported[definition.name][0]
        module = parsed(definition.module)
    return definition


@cache
def _uses(definition: Definition) -> tuple[Definition, ...]:
    """The definitions that a definition names, one step away."""
    module = parsed(definition.module)
    if module is None:
        return ()
    if definition.name and definition.name not in module.defined:
        return tuple(_elsewhere(definition, module))
    return (*module.for_effect, *_named(definition, module))


def _named(definition: Definition, module: ParsedModule) -> Iterator[Definition]:
    """What the names in a definition stand for."""
    for name, attribute in _names(module.statements(definition.name), module.modules):
        if name in module.defined:
            yield Definition(definition.module, name)
        for target in module.imported.get(name, ()):
            # `module.attribute` is that attribute alone; a module that is used otherwise counts as a whole.
            yield Definition(target.module, attribute) if attribute and not target.name else target


def _elsewhere(definition: Definition, module: ParsedModule) -> Iterator[Definition]:
    """Where a name comes from that its module does not define itself."""
    submodule = f"{definition.module}.{definition.name}"
    if definition.name in module.imported:
        yield from module.imported[definition.name]
    elif source_of(submodule) is not None:
        yield Definition(submodule, "")
    else:  # made in a way that cannot be followed: the whole module counts
        yield Definition(definition.module, "")


def _names(statements: Iterable[ast.stmt], modules: frozenset[str]) -> set[tuple[str, str]]:
    """(name, attribute) of the global names that statements read.

    The attribute is empty unless the name is a module.
    """
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


def _globals(statement: ast.AST) -> frozenset[str]:
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
    return frozenset(names)


def forget() -> None:
    """Forget all hashes and modules, for tests that change files."""
    for remembered in (_hash_of, _hashes, _signature, _uses):
        remembered.cache_clear()
    parsed_modules.forget()
