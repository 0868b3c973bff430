"""Writes docs/reference/ from the code itself, and what of the code the dashboard has: `make docs`.

The facts (commands, keys, types, ranges, defaults, codes) come from the code. Only what they mean
is written here, and a key or code without a meaning is an error.
"""

import ast
import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec
import typer.main

from mlxd import settings
from mlxd.cli.app import app
from mlxd.doctor.diagnose import signatures
from mlxd.gateway.guards.access import EXPOSED
from mlxd.gateway.openapi import document
from mlxd.smoke.reports import chinese

from . import meanings

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "docs" / "reference"
# Of the help texts, whatever terminal this runs in.
WIDTH = 80
# Where errors with codes are made.
SOURCES = ("gateway", "engine", "supervisor/remote", "desk", "catalog/pull")
CODE_PLACES = {"bad": 2, "Failed": 4, "PullFailed": 0, "Trouble": 0}
HEAD = "<!-- Written by `make docs`; change scripts/reference.py, not this file. -->\n\n"


def pages() -> dict[str, str]:
    return {
        "cli.md": cli(),
        "settings.md": settings_page(),
        "http.md": http(),
        "failures.md": failures(),
        "../../web/src/i18n/told/checks.json": checks(),
    }


def checks() -> str:
    """What checks say of a server, in Chinese; holes that have a number count from 1 there."""
    there = {
        english: re.sub(r"\{(\d)\}", lambda hole: f"{{{int(hole[1]) + 1}}}", text)
        for english, text in chinese.SENTENCES.items()
    }
    return json.dumps(there, ensure_ascii=False, indent=0) + "\n"


# --- command line ----------------------------------------------------------------------------


def cli() -> str:
    root = typer.main.get_command(app)
    made = [HEAD + "# Command line\n\n" + meanings.CLI]
    for name, text in _helps(root, "mlxd", None):
        made.append(f"## {name}\n\n```text\n{text.rstrip()}\n```\n")
    return "\n".join(made)


def _helps(command: Any, name: str, parent: Any) -> Iterator[tuple[str, str]]:
    context = command.make_context(
        name,
        [],
        parent=parent,
        resilient_parsing=True,
        terminal_width=WIDTH,
        max_content_width=WIDTH,
    )
    yield context.command_path, command.get_help(context)
    for below, inner in getattr(command, "commands", {}).items():
        yield from _helps(inner, below, context)


# --- failures --------------------------------------------------------------------------------


def failures() -> str:
    made = [HEAD + "# Known failures\n\n" + meanings.FAILURES]
    about = ""
    for one in sorted(signatures(), key=lambda each: each.about):
        if one.about != about:
            about = one.about
            made.append(f"## {about}\n")
        steps = "\n".join(f"{number}. {step}" for number, step in enumerate(one.do, 1))
        here = f"\nIn mlxd: {one.here}\n" if one.here else ""
        source = "; ".join(one.source)
        made.append(f"### {one.id}\n\n{one.cause}\n\n{steps}\n{here}\nSource: {source}.\n")
    return "\n".join(made)


# --- settings --------------------------------------------------------------------------------


def settings_page() -> str:
    sections: dict[str, list[str]] = {}
    for key, kind in settings.known_keys().items():
        section = key.rpartition(".")[0]
        sections.setdefault(section, []).append(_setting(key, kind))
    lists = (
        ("models", meanings.MODEL_TABLES, settings.ModelSettings, meanings.MODELS),
        ("remotes", meanings.REMOTE_TABLES, settings.RemoteSettings, meanings.REMOTES),
    )
    head = "| Key | Type | Default | Environment | Meaning |\n| --- | --- | --- | --- | --- |\n"
    made = [HEAD + "# Settings\n\n" + meanings.SETTINGS]
    for section, rows in sections.items():
        title = f"[{section}]" if section else "At the top"
        made.append(f"## {title}\n\n{head}" + "\n".join(rows) + "\n")
    for name, text, kind, meant in lists:
        rows = [
            f"| `{field.name}` | {_kind(field.type)} | {_default(field.name, field)} |"
            f" {_meaning(meant, field.name)} |"
            for field in msgspec.structs.fields(kind)
        ]
        made.append(
            f"## [[{name}]]\n\n{text}\n\n| Key | Type | Default | Meaning |\n"
            "| --- | --- | --- | --- |\n" + "\n".join(rows) + "\n"
        )
    return "\n".join(made)


def _setting(key: str, kind: Any) -> str:
    section, _, leaf = key.rpartition(".")
    if section:
        owner = type(getattr(settings.Settings(), section))
        field = next(f for f in msgspec.structs.fields(owner) if f.name == leaf)
        default = _default(leaf, field)
    else:
        default = meanings.TOP_DEFAULTS[key]
    meaning = _meaning(meanings.KEYS, key)
    return (
        f"| `{leaf}` | {_kind(kind)} | {default} | `{settings.environment_name(key)}` | {meaning} |"
    )


def _meaning(meant: Mapping[str, str], key: str) -> str:
    if key not in meant:
        raise SystemExit(f"scripts/meanings.py does not say what {key} means")
    return meant[key]


def _default(name: str, field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "required"
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    if value is None:
        return "none"
    if isinstance(value, int) and not isinstance(value, bool) and _has_unit(field.type):
        return _size(value)
    return f"`{msgspec.json.encode(value).decode()}`"


def _size(value: int) -> str:
    for unit, name in ((settings.GIB, "GiB"), (settings.MIB, "MiB"), (settings.KIB, "KiB")):
        if value and value % unit == 0:
            return f"{value // unit} {name}"
    return f"{value} B"


def _has_unit(kind: Any) -> bool:
    return any(getattr(meta, "extra", None) for meta in get_args(kind))


def _kind(kind: Any) -> str:
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Literal:
        return " or ".join(f"`{one}`" for one in inner)
    if origin is list:
        of = _kind(inner[0])
        return f"list of {of}" if of.endswith("s") else f"list of {of}s"
    if origin is Annotated:
        if _has_unit(kind):
            return "size"
        base = "seconds" if kind == settings.Seconds else _kind(inner[0])
        return base + _limits(inner[1])
    if type(None) in inner:
        return " or ".join(_kind(one) for one in inner if one is not type(None))
    names = {str: "string", int: "integer", float: "number", bool: "true or false", Path: "path"}
    return names.get(kind, "table")


def _limits(meta: msgspec.Meta) -> str:
    if meta.ge is not None and meta.le is not None:
        return f", {meta.ge} to {meta.le}"
    if meta.gt is not None:
        return f", over {meta.gt}"
    return f", from {meta.ge}" if meta.ge is not None else ""


# --- HTTP ------------------------------------------------------------------------------------


def http() -> str:
    described = document()
    schemas = described["components"]["schemas"]
    made = [HEAD + "# HTTP\n\n" + meanings.HTTP, _endpoints(described)]
    bare, chat = _fields(schemas, "CompletionRequest"), _fields(schemas, "ChatRequest")
    general = {name for name in bare if bare[name] == chat.get(name)}
    made.append("## Parameters of both chat and bare completions\n")
    made.append(_parameters(schemas, "ChatRequest", lambda name: name in general))
    for name, path in (
        ("ChatRequest", "/v1/chat/completions"),
        ("CompletionRequest", "/v1/completions"),
        ("EmbeddingRequest", "/v1/embeddings"),
    ):
        own = general if name != "EmbeddingRequest" else set()
        made.append(f"## Parameters of {path}\n")
        made.append(_parameters(schemas, name, lambda one, own=own: one not in own))
    made.append("## Objects in requests\n\n" + _objects(schemas))
    made.append(meanings.ANSWERS)
    made.append("## Headers\n\n" + _headers())
    made.append("## Errors\n\n" + meanings.ERRORS + "\n\n" + _statuses(described) + "\n" + _codes())
    return "\n".join(made)


def _endpoints(described: Mapping[str, Any]) -> str:
    rows = [
        f"| `{method.upper()} {path}` | {_meaning(meanings.PATHS, path)} |"
        for path, methods in described["paths"].items()
        for method in methods
    ]
    return "## Endpoints\n\n| Request | Answer |\n| --- | --- |\n" + "\n".join(rows) + "\n"


def _fields(schemas: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    fields: Mapping[str, Any] = schemas[name]["properties"]
    return fields


def _parameters(schemas: Mapping[str, Any], name: str, wanted: Any) -> str:
    required = schemas[name].get("required", ())
    rows = []
    for field, schema in _fields(schemas, name).items():
        if wanted(field):
            needed = "**required** " if field in required else ""
            meant = _meaning(meanings.PARAMETERS, field)
            rows.append(f"| `{field}` | {needed}{_type(schema)} | {meant} |")
    return (
        "| Parameter | Type and range | Meaning |\n| --- | --- | --- |\n" + "\n".join(rows) + "\n"
    )


def _objects(schemas: Mapping[str, Any]) -> str:
    made = []
    for name in _used(schemas, ("ChatRequest", "CompletionRequest", "EmbeddingRequest")):
        schema = schemas[name]
        required = schema.get("required", ())
        told = schema.get("description", "").partition("\n\n")[0].replace("\n", " ")
        made.append(f"### {name}\n" + (f"\n{told}\n" if told else ""))
        for field, inner in schema["properties"].items():
            needed = "required " if field in required else ""
            made.append(f"- `{field}`: {needed}{_type(inner)}")
        made.append("")
    return "\n".join(made)


def _used(schemas: Mapping[str, Any], roots: tuple[str, ...]) -> list[str]:
    """What the roots refer to, at any depth, in the order in which it is met."""
    found: list[str] = []
    left = list(roots)
    while left:
        for name in _references(schemas[left.pop(0)]):
            if name not in found and name not in roots:
                found.append(name)
                left.append(name)
    return found


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"].rpartition("/")[2]
        for key, value in node.items():
            if key != "discriminator":
                yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def _type(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        parts = [_type(one) for one in schema["anyOf"] if one.get("type") != "null"]
        return " or ".join(dict.fromkeys(parts)) or "null"
    if "enum" in schema:
        return " or ".join(f"`{one}`" for one in schema["enum"] if one is not None)
    if schema.get("type") == "array":
        of = _type(schema.get("items", {}))
        return f"list of ({of})" if " or " in of else f"list of {of}" + _counts(schema)
    if schema.get("type") == "object":
        values = schema.get("additionalProperties")
        return f"object of {_type(values)}" if values else "object"
    names = {"boolean": "true or false", None: "anything"}
    kind = names.get(schema.get("type"), str(schema.get("type")))
    return kind + _range(schema)


def _counts(schema: Mapping[str, Any]) -> str:
    low, high = schema.get("minItems"), schema.get("maxItems")
    if high:
        return f", at most {high}"
    return f", at least {low}" if low else ""


def _range(schema: Mapping[str, Any]) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f", {low} to {high if high != 2**31 - 1 else '2³¹ - 1'}"
    least, most = schema.get("minLength"), schema.get("maxLength")
    if most:
        return f" of {least} to {most} characters"
    if "pattern" in schema:
        return f" matching `{schema['pattern']}`"
    return ", not empty" if least else ""


def _headers() -> str:
    for name in (one.strip() for one in EXPOSED.decode().split(",")):
        _meaning(meanings.HEADERS, name)
    rows = [f"| `{name}` | {told} |" for name, told in meanings.HEADERS.items()]
    return "| Header | Meaning |\n| --- | --- |\n" + "\n".join(rows) + "\n"


def _statuses(described: Mapping[str, Any]) -> str:
    found = described["paths"]["/v1/chat/completions"]["post"]["responses"]
    rows = [f"| {status} | {one['description']} |" for status, one in found.items()]
    return "| Status | When |\n| --- | --- |\n" + "\n".join(rows) + "\n"


def _codes() -> str:
    rows = []
    for code in sorted(codes()):
        status, told = meanings.CODES.get(code, ("", ""))
        if not told:
            raise SystemExit(f"scripts/meanings.py does not say what the code {code} means")
        rows.append(f"| `{code}` | {status} | {told} |")
    head = "| Code | Status | Meaning |\n| --- | --- | --- |\n"
    return head + "\n".join(rows) + "\n"


def codes() -> set[str]:
    """Every error code that the sources can put into an answer."""
    found: set[str] = set()
    for room in SOURCES:
        for file in (ROOT / "src" / "mlxd" / room).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call):
                    found.update(_codes_of(node))
    return found - meanings.NOT_IN_ANSWERS


def _codes_of(call: ast.Call) -> Iterator[str]:
    """`code="…"` anywhere, and where `bad` and `Failed` take it by place."""
    given = [one.value for one in call.keywords if one.arg == "code"]
    if isinstance(call.func, ast.Name) and call.func.id in CODE_PLACES:
        place = CODE_PLACES[call.func.id]
        given += call.args[place : place + 1]
    for one in given:
        for part in one.values if isinstance(one, ast.BoolOp) else [one]:
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                yield part.value


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    print(f"written: {', '.join(pages())} in {FOLDER.relative_to(ROOT)}", file=sys.stderr)


if __name__ == "__main__":
    main()
