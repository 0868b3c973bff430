"""The catalogue file: the shipped one, and the user's own on top of it.

The user's file overrides field by field, so that a line with an alias and a hub id is enough to
point a well-known name at another conversion.
"""

import difflib
import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec

from mlxd.capabilities import CAPABILITIES as CAPABILITIES
from mlxd.capabilities import KNOWN
from mlxd.capabilities import LABELS as LABELS
from mlxd.settings import SettingsError, default_config_file, parse_bytes

SHIPPED = Path(__file__).parent / "catalogue.toml"
OWN_NAME = "catalogue.toml"
# Names that mean something else in a request.
RESERVED = ("pilot", *KNOWN)

# As the hub takes them, with the lengths that it allows.
_PART = r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?"
_HUB = re.compile(rf"{_PART}/{_PART}")
MAX_HUB_ID = 96
_ALIAS = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}")
_PARAMETERS = re.compile(r"\d+(\.\d+)?[KMBT]")
_HEAD = re.compile(r"^\s*\[\[\s*model\s*\]\]", re.MULTILINE)


class CatalogueError(SettingsError):
    """What is wrong in a catalogue file, with the file, the line and the field."""


class KnownModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model of the catalogue, here or not. Sizes are bytes; `memory` is for 8192 tokens.
    `on_page`: fields that were read on its page at the hub; the rest is unchecked unless
    `verified`."""

    alias: str
    hub: str
    parameters: str | None = None
    size: int | None = None
    memory: int | None = None
    context: int | None = None
    capabilities: list[str] = []
    licence: str | None = None
    note: str | None = None
    default: bool = False
    verified: bool = False
    on_page: list[str] = []


def is_hub_id(name: str) -> bool:
    return (
        len(name) <= MAX_HUB_ID
        and _HUB.fullmatch(name) is not None
        and "--" not in name
        and ".." not in name
        and not name.endswith(".git")
    )


def near(name: str, known: list[str], cutoff: float = 0.6) -> list[str]:
    """Up to three names that were probably meant, whatever their case, best first."""
    folded: dict[str, str] = {}
    for one in known:
        folded.setdefault(one.casefold(), one)
        folded.setdefault(one.rpartition("/")[2].casefold(), one)
    found = difflib.get_close_matches(name.casefold(), list(folded), n=6, cutoff=cutoff)
    return list(dict.fromkeys(folded[one] for one in found))[:3]


def own_file() -> Path:
    return default_config_file().with_name(OWN_NAME)


def known_models(own: Path | None = None) -> dict[str, KnownModel]:
    """By alias. `own`: the user's file, which must be there if it is named; None: the usual one, if
    there is one."""
    tables = _read(SHIPPED)
    file = own_file() if own is None else own
    if own is not None or file.is_file():
        for alias, fields in _read(file).items():
            tables[alias] = {**_of_the_same(tables.get(alias, {}), fields), **fields}
        for alias, fields in tables.items():
            if "hub" not in fields:
                raise CatalogueError(
                    f"{file}: the model {alias!r} needs a hub id: it is not in mlxd's own "
                    'catalogue. Add: hub = "ORG/NAME"'
                )
    return {alias: KnownModel(**fields) for alias, fields in tables.items()}


# What is true of one conversion, and not of another under the same alias.
_OF_A_CONVERSION = ("size", "memory", "note", "verified", "on_page")


def _of_the_same(shipped: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """What of a shipped model still holds for the user's own line about it."""
    if own.get("hub", shipped.get("hub")) == shipped.get("hub"):
        return shipped
    return {key: value for key, value in shipped.items() if key not in _OF_A_CONVERSION}


def _read(file: Path) -> dict[str, dict[str, Any]]:
    """The fields that each model sets, by alias."""
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise CatalogueError(f"There is no catalogue file {file} (catalogue.file).") from None
    except (OSError, UnicodeDecodeError) as error:
        raise CatalogueError(f"The catalogue file {file} can't be read: {error}.") from error
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CatalogueError(f"{file} is not valid TOML: {error}.") from error
    strange = [key for key in tree if key != "model"]
    if strange:
        raise CatalogueError(
            f"{file}, line {_line(text, 0, strange[0])}: {strange[0]!r} has no meaning here; "
            "models are tables under [[model]]."
        )
    models = tree.get("model", [])
    if not isinstance(models, list) or not all(isinstance(one, dict) for one in models):
        raise CatalogueError(
            f"{file}: write each model as a table under [[model]], in two brackets."
        )
    found: dict[str, dict[str, Any]] = {}
    for number, table in enumerate(models):
        fields = _checked(file, text, number, table)
        if fields["alias"] in found:
            raise _wrong(file, text, number, "alias", f"{fields['alias']!r} is there twice")
        found[fields["alias"]] = fields
    return found


def _checked(file: Path, text: str, number: int, table: dict[str, Any]) -> dict[str, Any]:
    """The fields as KnownModel takes them."""
    if "alias" not in table:
        raise _wrong(file, text, number, "alias", "is missing; every model needs one")
    fields: dict[str, Any] = {}
    for key, value in table.items():
        check = _CHECKS.get(key)
        if check is None:
            meant = near(key, list(_CHECKS))
            hint = f"did you mean {meant[0]}?" if meant else f"there are {', '.join(_CHECKS)}"
            raise _wrong(file, text, number, key, f"is no field of a model; {hint}")
        try:
            fields[key] = check(value)
        except ValueError as error:
            raise _wrong(file, text, number, key, f"is {value!r}: {error}") from error
    return fields


def _wrong(file: Path, text: str, number: int, field: str, told: str) -> CatalogueError:
    line = _line(text, number + 1, field)
    return CatalogueError(f"{file}, line {line}: {field} of model {number + 1} {told}.")


def _line(text: str, number: int, field: str) -> int:
    """Where a field stands in the `number`th [[model]], or that table itself; 0 is before them."""
    heads = [found.start() for found in _HEAD.finditer(text)]
    bounds = [0, *heads, len(text)]
    start, end = (
        (bounds[number], bounds[number + 1]) if number < len(bounds) - 1 else (0, len(text))
    )
    named = re.compile(rf'^[ \t]*\[*[ \t]*"?{re.escape(field)}"?[ \t]*[=.\]]', re.MULTILINE)
    found = named.search(text, start, end)
    place = found.start() if found else start
    # A table's head may follow blank lines that its pattern took in.
    while place < len(text) and text[place] in "\r\n":
        place += 1
    return text.count("\n", 0, place) + 1


def _alias(value: Any) -> str:
    if not isinstance(value, str) or not _ALIAS.fullmatch(value):
        raise ValueError("an alias is up to 64 letters, digits and . _ - : without a slash")
    if value.casefold() in RESERVED:
        raise ValueError("that name means something else already")
    return value


def _hub(value: Any) -> str:
    if not isinstance(value, str) or not is_hub_id(value):
        raise ValueError('expected a hub id as "ORG/NAME"')
    return value


def _bytes(value: Any) -> int:
    size = parse_bytes(value) if isinstance(value, str) else value
    if isinstance(size, bool) or not isinstance(size, int) or size <= 0:
        raise ValueError('expected a size such as "2.6 GB"')
    return size


def _context(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        raise ValueError("expected a number of tokens over 0")
    return value


def _parameters(value: Any) -> str:
    if not isinstance(value, str) or not _PARAMETERS.fullmatch(value):
        raise ValueError('expected a number with K, M, B or T, such as "4.4B"')
    return value


def _capabilities(value: Any) -> list[str]:
    if not isinstance(value, list):
        raise ValueError("expected a list of capabilities")
    for one in value:
        if one not in KNOWN:
            meant = near(str(one), list(KNOWN))
            hint = f"did you mean {meant[0]}?" if meant else f"there are {', '.join(KNOWN)}"
            raise ValueError(f"{one!r} is no capability; {hint}")
    return list(dict.fromkeys(value))


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("expected some text")
    return value


def _switch(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("expected true or false")
    return value


def _fields(value: Any) -> list[str]:
    if not isinstance(value, list) or any(one not in _ON_A_PAGE for one in value):
        raise ValueError(f"expected some of {', '.join(_ON_A_PAGE)} in a list")
    return value


# Of what is told about a model, what its page at the hub may say.
_ON_A_PAGE = ("hub", "parameters", "size", "context", "licence")

_CHECKS = {
    "alias": _alias,
    "hub": _hub,
    "parameters": _parameters,
    "size": _bytes,
    "memory": _bytes,
    "context": _context,
    "capabilities": _capabilities,
    "licence": _text,
    "note": _text,
    "default": _switch,
    "verified": _switch,
    "on_page": _fields,
}
