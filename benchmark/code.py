"""A hash of the code that makes an artifact, so that a change to it makes the artifact stale."""

import ast
import hashlib
import importlib.util
import sys
from functools import cache
from pathlib import Path

CONTRACTS = frozenset(
    f"segalarm.benchmark.{name}"
    for name in ("errors", "hookspecs", "interfaces", "plugins", "segmenters", "tables")
) | {"segalarm", "segalarm.datasets", "segalarm.methods"}
"""Modules that say how parts fit together and compute nothing: a change to them makes nothing stale."""
UNCOUNTED = "toy"
"""A function of data sets that only tests call; neither it nor what it imports counts."""


def code_hash(module: str) -> str:
    """Hash a module's code and that of every module of the same top-level package that it imports.

    Comments, layout, docstrings, the modules in `CONTRACTS` and functions named `UNCOUNTED` do not count.

    Args:
        module: dotted name of an importable module.

    Returns:
        16 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for name in sorted(_closure(module)):
        digest.update(f"{name}:{_own_hash(name)}".encode())
    return digest.hexdigest()[:16]


def _closure(module: str) -> set[str]:
    package = module.partition(".")[0]
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in seen or name in CONTRACTS or _source(name) is None:
            continue
        seen.add(name)
        waiting += [other for other in _imports(name) if other.partition(".")[0] == package]
    return seen


@cache
def _source(module: str) -> str | None:
    """The module's source, or None for what is no Python module (a class, say)."""
    loaded = sys.modules.get(module)
    try:
        spec = loaded.__spec__ if loaded is not None else importlib.util.find_spec(module)
    except (ImportError, AttributeError, ValueError):
        return None
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return None
    return Path(spec.origin).read_text(encoding="utf-8")


@cache
def _own_hash(module: str) -> str:
    return hashlib.sha256(ast.dump(_tree(module)).encode()).hexdigest()


@cache
def _tree(module: str) -> ast.Module:
    """The module without docstrings and uncounted functions."""
    tree = ast.parse(_source(module) or "")
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body
            if body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
                body = body[1:]
            counted = [part for part in body if not _is_uncounted(part)]
            node.body = counted or [ast.Pass()]
    return tree


def _is_uncounted(node: ast.stmt) -> bool:
    return isinstance(node, ast.FunctionDef) and node.name == UNCOUNTED


@cache
def _imports(module: str) -> tuple[str, ...]:
    spec = importlib.util.find_spec(module)
    is_package = spec is not None and spec.submodule_search_locations is not None
    package = module if is_package else module.rpartition(".")[0]
    names: list[str] = []
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parent = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parent, base]) if base else ".".join(parent)
            names.append(base)
            names += [f"{base}.{alias.name}" for alias in node.names]
    return tuple(names)
