"""`mlxd models inspect`: what a model is and can do, from its files alone."""

import json
from pathlib import Path
from typing import Any

import msgspec

from mlxd.catalog import BrokenModel, NameUnknown, NotDownloaded, rows
from mlxd.catalog.about import About, about, has_template
from mlxd.settings import Settings

from .complaint import Complaint
from .models_ls import catalogue_of, reckoned, size

# A name that no template writes by itself.
PROBE = "mlxd_probe_tool"


def inspect(settings: Settings, name: str, *, as_json: bool) -> int:
    catalogue = catalogue_of(settings)
    licence = None
    try:
        path = catalogue.find(name).path
    except BrokenModel as error:
        path = error.path
    except NotDownloaded as error:
        if (known := catalogue.known(name)) is not None:
            _print_known(rows.known(known), as_json=as_json)
        raise Complaint(str(error)) from error
    except NameUnknown as error:
        raise Complaint(str(error)) from error
    if known := catalogue.known(name):
        licence = known.licence
    told = about(path)
    made: dict[str, Any] = {
        "name": name,
        **msgspec.to_builtins(told),
        **_chat(path),
        "licence": licence,
    }
    if as_json:
        print(json.dumps(made, indent=2))
    else:
        _print(made, told)
    return 0 if told.usable else 1


def _chat(path: Path) -> dict[str, Any]:
    """What the model's own chat template does, by rendering it."""
    from mlxd import wire
    from mlxd.engine.text import InvalidChat, Style, Template, Tokenizer, UnusableModel

    made: dict[str, Any] = {
        "chat_template": False,
        "renders_tools": False,
        "tool_calls": None,
        "reasoning": None,
        "template_error": None,
    }
    if not (path / "config.json").is_file():
        return made
    try:
        tokenizer = Tokenizer.load(path)
        template = Template.load(path, tokenizer)
    except (UnusableModel, OSError, ValueError) as error:
        return {**made, "template_error": str(error).partition("\n")[0]}
    made["chat_template"] = has_template(path)
    style = Style.infer(template, tokenizer)
    made["tool_calls"] = style.calls.name if style.calls else None
    made["reasoning"] = list(style.think) if style.think else None
    asked = wire.Chat(
        messages=[wire.Message("user", [wire.TextPart("hello")])], tools=[wire.Tool(PROBE)]
    )
    try:
        made["renders_tools"] = PROBE in template.render(asked)
    except InvalidChat as error:
        made["template_error"] = str(error)
    return made


def _print_known(row: dict[str, Any], *, as_json: bool) -> None:
    """What the catalogue says of a model that is not here."""
    if as_json:
        print(json.dumps(row, indent=2))
        return
    _lines(
        [
            ("hub", row["id"]),
            ("parameters", row["parameters"]),
            ("size", reckoned(row, "size")),
            ("memory", f"{reckoned(row, 'memory')} with 8192 tokens of context"),
            ("context", f"{row['context']} tokens" if row["context"] else None),
            ("can", ", ".join(row["capabilities"]) or None),
            ("licence", row["licence"]),
            ("note", row["note"]),
        ]
    )


def _lines(lines: list[tuple[str, str | None]]) -> None:
    width = max(len(name) for name, _ in lines)
    for name, value in lines:
        if value:
            print(f"{name:{width}}  {value}")


def _print(made: dict[str, Any], told: About) -> None:
    lines: list[tuple[str, str | None]] = [
        ("folder", told.path),
        ("architecture", _joined(told.architecture, told.classes)),
        ("parameters", _parameters(told)),
        ("weights", _weights(told)),
        ("context", f"{told.context} tokens" if told.context else None),
        ("can", ", ".join(told.capabilities) or None),
        ("vision tower", "yes" if told.vision_tower else "no"),
        ("chat template", _template(made)),
        ("tool calls", made["tool_calls"] or "no format that mlxd knows"),
        ("reasoning", " … ".join(made["reasoning"]) if made["reasoning"] else "no markers"),
        ("licence", made["licence"]),
    ]
    _lines(lines)
    if told.memory:
        print("\nmemory, estimated, with weights and the engine's process")
        for tokens, needed in told.memory.items():
            print(f"{int(tokens):>9} tokens of context  {size(needed)}")
    if told.reasons:
        print("\nIt can't be served:")
        for reason in told.reasons:
            print(f"- {reason}")


def _joined(kind: str | None, classes: list[str]) -> str | None:
    return f"{kind} ({', '.join(classes)})" if kind and classes else kind


def _parameters(told: About) -> str | None:
    if told.parameters is None:
        return None
    number = told.parameters
    text = f"{number / 1e9:.2f} B" if number >= 1e9 else f"{number / 1e6:.1f} M"
    tower = f", of them {told.vision_parameters / 1e6:.0f} M" if told.vision_parameters else ""
    return text + (f"{tower} in the vision tower" if tower else "")


def _weights(told: About) -> str | None:
    if told.size_bytes is None:
        return None
    if told.quantisation is None:
        return f"{size(told.size_bytes)}, {', '.join(sorted(told.dtypes))}"
    one = told.quantisation
    how = f"{one.bits} bits in groups of {one.group_size}" if one.bits else one.mode
    return (
        f"{size(told.size_bytes)}, {how} ({one.mode}), {one.bits_per_weight} bits a weight in all"
    )


def _template(made: dict[str, Any]) -> str:
    if made["template_error"]:
        return f"broken: {made['template_error']}"
    if not made["chat_template"]:
        return "none; messages are written out plainly"
    return "yes, and it shows tools" if made["renders_tools"] else "yes, without tools"
