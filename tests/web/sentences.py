"""Every sentence in the source that may come to the dashboard, as a shape: holes are `{}`."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import mlxd

SOURCE = Path(mlxd.__file__).parent
DOCTOR = (
    "doctor/checks",
    "doctor/child.py",
    "catalog/folder.py",
    "catalog/catalogue.py",
    "catalog/listing.py",
)
DESK = ("desk/documents", "desk/agent", "desk/answers.py", "desk/models.py")
# What answers, models and documents fail with, as far as it comes to a page.
SERVICE = (
    "gateway/catalogue.py",
    "gateway/guards/fetch.py",
    "gateway/guards/images.py",
    "gateway/logs.py",
    "gateway/proof.py",
    "gateway/pulls.py",
    "supervisor/contract.py",
    "supervisor/house.py",
    "supervisor/lifecycle.py",
    "supervisor/names.py",
    "supervisor/remote",
    "supervisor/store.py",
)
# What models are told, and what they are given by tools.
TO_MODELS = ("describe.py", "ocr.py", "tools.py", "words.py")
# What a call like this is given is a command, a query, a pattern or for the log.
_OTHERS = {
    "Tool", "as_root", "asked", "compile", "count", "debug", "encode", "error", "exception",
    "execute", "getLogger", "info", "install", "match", "ours", "partition", "quoted", "reinstall",
    "rpartition", "search", "startswith", "step", "text", "uninstall", "warning", "where",
}  # fmt: skip
# What the dashboard has names of its own for, and lists of words.
NAMED = {
    "TITLE", "SUPPORTED", "HEADERS", "GENERIC", "COMMON", "_GENERIC", "_COMMON", "_BLOCKED",
    "_TOLD",
}  # fmt: skip
_COMMAND = re.compile(
    r"(export|unset|uv|brew|docker|nvidia-smi|system_profiler|ip|ifconfig|hf|\{\}mlxd|mlxd|#!/) ?"
)
_SQL = re.compile(r"\s*(SELECT|UPDATE|INSERT|DELETE|BEGIN|CREATE|vector IS)\b")
_WORD = re.compile(r"[A-Za-z]{2,}")


def shapes(*places: str) -> Iterator[tuple[str, str]]:
    """Where it stands, and the shape."""
    for place in places:
        path = SOURCE / place
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            if file.name not in TO_MODELS:
                tree = ast.parse(file.read_text(encoding="utf-8"))
                for line, shape in _of(tree):
                    if _is_sentence(shape):
                        yield f"{file.relative_to(SOURCE)}:{line}", shape


def _of(node: ast.AST) -> Iterator[tuple[int, str]]:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return  # what documents the code
    if isinstance(node, ast.arg | ast.AnnAssign):
        annotated = node.value if isinstance(node, ast.AnnAssign) else None
        if annotated is not None:
            yield from _of(annotated)
        return
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        for child in node.body if node.name != "prompt" else ():
            yield from _of(child)
        return
    if isinstance(node, ast.Compare):
        return
    if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") in NAMED:
        return
    if isinstance(node, ast.Call):
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        if name in _OTHERS:
            return
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.lineno, node.value
    elif isinstance(node, ast.JoinedStr):
        parts = (str(one.value) if isinstance(one, ast.Constant) else "{}" for one in node.values)
        yield node.lineno, "".join(parts)
        for one in node.values:
            if isinstance(one, ast.FormattedValue):
                yield from _of(one.value)
    else:
        for child in ast.iter_child_nodes(node):
            yield from _of(child)


def _is_sentence(shape: str) -> bool:
    words = _WORD.findall(shape.replace("{}", " "))
    return (
        len(words) > 1
        and " " in shape.strip()
        and not _COMMAND.match(shape)
        and not _SQL.match(shape)
    )
