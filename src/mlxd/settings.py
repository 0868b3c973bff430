"""One typed tree of settings: defaults, then `mlxd.toml`, then the environment, then flags.

Every value remembers where it came from, and a key that nobody knows is an error. The types are
msgspec's: this module is loaded before the first engine is spawned, and pydantic-settings alone
would hold that back by 0.3 s on a small machine.
"""

import contextlib
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec

from .remotes import RemoteSettings, mistakes

# Names of the environment that configure something else than a setting.
NOT_SETTINGS = {"MLXD_CONFIG", "MLXD_URL"}

KIB, MIB, GIB = 1024, 1024**2, 1024**3

# Written as a number or as text with a unit: 512MiB, 8GB.
Bytes = Annotated[int, msgspec.Meta(ge=0, extra={"unit": "bytes"})]
Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]
Seconds = Annotated[float, msgspec.Meta(gt=0)]
Count = Annotated[int, msgspec.Meta(ge=1)]


class SettingsError(ValueError):
    """What is wrong, where it was written, and what was probably meant."""


class ServerSettings(msgspec.Struct, frozen=True, kw_only=True):
    host: str = "127.0.0.1"
    port: Port = 60315
    # A second address that serves /v1 alone, for older clients; 60316 is what they have configured.
    v1_host: str = "127.0.0.1"
    v1_port: Port | None = None
    token: str | None = None
    allowed_origins: list[str] = []
    allowed_hosts: list[str] = []
    body_limit: Bytes = 64 * MIB
    header_timeout: Seconds = 10.0
    body_timeout: Seconds = 30.0
    # Between two writes of a stream that has nothing to say: proxies cut idle connections at 30 s.
    keep_alive: Seconds = 5.0
    # How long running answers may take to end when the service stops.
    drain_timeout: Seconds = 30.0
    # Requests per model that run or wait; more are answered with 429.
    queue_limit: Count = 256


class ImageSettings(msgspec.Struct, frozen=True, kw_only=True):
    allow_http: bool = False
    allowed_roots: list[Path] = []
    byte_limit: Bytes = 32 * MIB
    pixel_limit: Count = 64_000_000
    fetch_timeout: Seconds = 15.0


class ModelSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`name` is an alias, a hub id or a folder. `capabilities` None: what its files say."""

    name: str
    alias: str | None = None
    capabilities: list[str] | None = None
    idle_timeout: Seconds | None = None
    pin: bool = False


class CatalogueSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`file` None: catalogue.toml beside mlxd.toml, where there is one."""

    file: Path | None = None
    # Download what a request names and this machine lacks; otherwise the answer says how to.
    auto_pull: bool = False


class EngineSettings(msgspec.Struct, frozen=True, kw_only=True):
    """None: the engine decides by what the machine has. `blas`: auto, off, or a library's path."""

    weights: Literal["auto", "float32", "as-is"] = "auto"
    blas: str = "auto"
    kv_budget: Bytes | None = None
    prefix_cache_bytes: Bytes | None = None
    prefill_chunk: Count | None = None
    max_batch: Count | None = None
    # Of all engines together; more are stopped for a new one, or it is refused.
    memory_budget: Bytes | None = None


AGENT_INSTRUCTIONS = (
    "Answer in the user's language. Use a tool only where the question needs one. What you take "
    "from a document, cite as [n] with the number of the search result."
)


class DocumentSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`roots`: folders of which `POST /documents` may read files by their path. `database`: of
    jobs and documents; None: SQLite in the data folder. `store`: None: the data folder."""

    roots: list[Path] = []
    database: str | None = None
    store: Path | None = None
    workers: Count = 4
    idle_timeout: Seconds = 600.0
    upload_limit: Bytes = 512 * MIB
    # Of what a packed file (DOCX, XLSX, PPTX) may become.
    unpacked_limit: Bytes = GIB
    page_limit: Count = 5_000
    pixel_limit: Count = 100_000_000
    parse_timeout: Seconds = 300.0
    parse_memory: Bytes = 2 * GIB
    # Of a picture in a document, along its shorter side; smaller ones are ornaments.
    image_side: Count = 64
    describe: bool = True
    tags: bool = True
    summaries: bool = False


class AgentSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Of a turn: `steps` are answers of the model, one for each round of tools, `tokens` all that
    it reads and writes. `mcp_config`: a file with `mcpServers`, as other applications have it."""

    instructions: str = AGENT_INSTRUCTIONS
    steps: Count = 8
    tokens: Count = 200_000
    seconds: Seconds = 300.0
    # Of a tool's result at once; the model reads on from there.
    tool_characters: Count = 4_000
    # Of a model that does not say its own.
    context: Count = 4_096
    mcp_config: Path | None = None


class LoggingSettings(msgspec.Struct, frozen=True, kw_only=True):
    level: Literal["debug", "info", "warning", "error"] = "info"
    file_bytes: Bytes = 10 * MIB
    files: Count = 3


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    server: ServerSettings = ServerSettings()
    images: ImageSettings = ImageSettings()
    models: list[ModelSettings] = []
    remotes: list[RemoteSettings] = []
    catalogue: CatalogueSettings = CatalogueSettings()
    engine: EngineSettings = EngineSettings()
    documents: DocumentSettings = DocumentSettings()
    agent: AgentSettings = AgentSettings()
    logging: LoggingSettings = LoggingSettings()
    data_dir: Path = Path()
    sources: dict[str, str] = {}


_SECTIONS: dict[str, type[msgspec.Struct]] = {
    "server": ServerSettings,
    "images": ImageSettings,
    "catalogue": CatalogueSettings,
    "engine": EngineSettings,
    "documents": DocumentSettings,
    "agent": AgentSettings,
    "logging": LoggingSettings,
}
# What a running service is found by, and how long to wait for its end.
FINDING = (
    "data_dir",
    "server.host",
    "server.port",
    "server.token",
    "server.drain_timeout",
)
_SECRETS = {"server.token", "documents.database"}
_Table = TypeVar("_Table", ModelSettings, RemoteSettings)
_SWITCH = {"on": True, "off": False, "yes": True, "no": False}
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(i?)B?\s*", re.IGNORECASE)


def known_keys() -> dict[str, Any]:
    """Every leaf by its dotted name, with its type."""
    keys: dict[str, Any] = {
        "data_dir": Path,
        "models": list[ModelSettings],
        "remotes": list[RemoteSettings],
    }
    for name, section in _SECTIONS.items():
        for field in msgspec.structs.fields(section):
            keys[f"{name}.{field.name}"] = field.type
    return keys


def environment_name(key: str) -> str:
    return "MLXD_" + key.replace(".", "_").upper()


def flag_name(key: str) -> str:
    return "--model" if key == "models" else "--" + key.rpartition(".")[2].replace("_", "-")


def default_config_file() -> Path:
    import platformdirs

    return Path(platformdirs.user_config_dir("mlxd", appauthor=False)) / "mlxd.toml"


def default_data_dir() -> Path:
    import platformdirs

    return Path(platformdirs.user_data_dir("mlxd", appauthor=False))


def load(
    *,
    config: Path | None = None,
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
) -> Settings:
    """`flags` maps dotted names to values; None means that the flag was not given."""
    environ = os.environ if environ is None else environ
    if config is None and environ.get("MLXD_CONFIG"):
        config = Path(environ["MLXD_CONFIG"])
    found: dict[str, tuple[Any, str]] = {}
    found |= _from_file(config)
    found |= _from_environment(environ)
    found |= {k: (v, flag_name(k)) for k, v in (flags or {}).items() if v is not None}
    return _build(found)


def load_to_find(
    *, config: Path | None = None, environ: Mapping[str, str], flags: Mapping[str, Any]
) -> Settings:
    """What a running service is found by, each key where it can be used; all else as if nobody had
    set it. For settings that `load` refuses: who made a mistake in them may still end the service
    that runs with the ones before."""
    if config is None and environ.get("MLXD_CONFIG"):
        config = Path(environ["MLXD_CONFIG"])
    found: dict[str, tuple[Any, str]] = {}
    with contextlib.suppress(SettingsError):
        found |= _from_file(config)
    names = {environment_name(key): key for key in FINDING}
    found |= {names[name]: (value, name) for name, value in environ.items() if name in names}
    found |= {k: (v, flag_name(k)) for k, v in flags.items() if v is not None}
    usable: dict[str, tuple[Any, str]] = {}
    for key in found.keys() & set(FINDING):
        with contextlib.suppress(SettingsError):
            _build({key: found[key]})
            usable[key] = found[key]
    return _build(usable)


def redacted(key: str, value: Any) -> Any:
    """The value as it may be printed."""
    return "(set)" if key in _SECRETS and value is not None else value


def lookup(settings: Settings, key: str) -> Any:
    value: Any = settings
    for part in key.split("."):
        value = getattr(value, part)
    return value


def parse_bytes(text: str) -> int | None:
    match = _SIZE.fullmatch(text)
    if match is None:
        return None
    number, prefix, binary = match.groups()
    power = "KMGT".find(prefix.upper()) + 1 if prefix else 0
    return int(float(number) * (1024 if binary else 1000) ** power)


def _from_file(config: Path | None) -> dict[str, tuple[Any, str]]:
    path = default_config_file() if config is None else config
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        if config is None:
            return {}
        raise SettingsError(f"There is no settings file {path}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"The settings file {path} can't be read: {error}.") from error
    import tomllib

    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"The settings file {path} is not valid TOML: {error}.") from error
    found: dict[str, tuple[Any, str]] = {}
    for name, value in tree.items():
        if name in _SECTIONS and isinstance(value, dict):
            found |= {f"{name}.{key}": (leaf, str(path)) for key, leaf in value.items()}
        else:
            found[name] = (value, str(path))
    return found


def _from_environment(environ: Mapping[str, str]) -> dict[str, tuple[Any, str]]:
    names = {environment_name(key): key for key in known_keys()}
    found: dict[str, tuple[Any, str]] = {}
    for name, value in environ.items():
        if not name.startswith("MLXD_") or name in NOT_SETTINGS:
            continue
        if name not in names:
            raise SettingsError(f"{name} is no setting.{_nearest(name, list(names))}")
        found[names[name]] = (value, name)
    return found


def _build(found: dict[str, tuple[Any, str]]) -> Settings:
    types = known_keys()
    sections: dict[str, dict[str, Any]] = {name: {} for name in _SECTIONS}
    top: dict[str, Any] = {}
    sources = dict.fromkeys(types, "default")
    for key, (raw, source) in found.items():
        if key not in types:
            raise SettingsError(f"{key} (in {source}) is no setting.{_nearest(key, list(types))}")
        if key in _LISTS:
            value = _LISTS[key](raw, source)
        else:
            value = _convert(key, raw, types[key], source)
        sources[key] = source
        section, _, leaf = key.rpartition(".")
        (sections[section] if section else top)[leaf] = value
    top["data_dir"] = (top.get("data_dir") or default_data_dir()).expanduser().absolute()
    built: dict[str, Any] = {name: _SECTIONS[name](**sections[name]) for name in _SECTIONS}
    return Settings(**built, **top, sources=sources)


def _models(raw: Any, source: str) -> list[ModelSettings]:
    """A list of names (a comma-separated one in the environment) or of tables."""
    if isinstance(raw, str):
        raw = [part.strip() for part in raw.split(",") if part.strip()]
    if not isinstance(raw, list):
        raise SettingsError(f"models (from {source}) must be a list of names or tables.")
    tables = [{"name": entry} if isinstance(entry, str) else entry for entry in raw]
    return _tables("models", tables, source, ModelSettings, "alias, hub id or folder")


def _remotes(raw: Any, source: str) -> list[RemoteSettings]:
    """A list of tables (as JSON in the environment)."""
    if isinstance(raw, str):
        try:
            raw = msgspec.json.decode(raw or "[]")
        except msgspec.DecodeError:
            raw = None
    if not isinstance(raw, list):
        raise SettingsError(f"remotes (from {source}) must be a list of tables.")
    made = _tables("remotes", raw, source, RemoteSettings, "for this server")
    if wrong := mistakes(made):
        raise SettingsError(f"{wrong} (in {source})")
    return made


_LISTS: dict[str, Callable[[Any, str], Any]] = {"models": _models, "remotes": _remotes}


def _tables(key: str, raw: list[Any], source: str, kind: type[_Table], what: str) -> list[_Table]:
    types = {field.name: field.type for field in msgspec.structs.fields(kind)}
    required = [field.name for field in msgspec.structs.fields(kind) if field.required]
    made = []
    for i, table in enumerate(raw):
        where = f"{key}[{i}]"
        if not isinstance(table, dict) or "name" not in table:
            raise SettingsError(f"{where} (from {source}) needs a name: {what}.")
        for field in table:
            if field not in types:
                hint = _nearest(field, list(types))
                raise SettingsError(f"{where}.{field} (in {source}) is no setting.{hint}")
        for field in required:
            if field not in table:
                raise SettingsError(f"{where} (from {source}) needs {field}.")
        values = {k: _convert(f"{where}.{k}", v, types[k], source) for k, v in table.items()}
        made.append(kind(**values))
    return made


def _convert(key: str, raw: Any, kind: Any, source: str) -> Any:
    value = raw
    if isinstance(raw, str):
        base = _base(kind)
        if get_origin(base) is list:
            value = [part.strip() for part in raw.split(",") if part.strip()]
        elif _is_bytes(kind):
            value = parse_bytes(raw)
            if value is None:
                raise SettingsError(
                    f"{key} (from {source}) is {raw!r}: expected a size such as 512MiB or 8GB."
                )
        elif base is bool:
            value = _SWITCH.get(raw.lower(), raw)
        elif raw == "" and type(None) in get_args(kind):
            value = None
    try:
        return msgspec.convert(value, kind, strict=False, dec_hook=_decode)
    except msgspec.ValidationError as error:
        message = str(error).replace("`", "").replace(" - at $", " at ")
        choices = get_args(kind) if get_origin(kind) is Literal else ()
        if choices:
            message = f"expected one of {', '.join(choices)}"
        # A key may have been written where its variable's name belongs.
        shown = "" if key.startswith("remotes") else f" is {redacted(key, raw)!r}"
        raise SettingsError(f"{key} (from {source}){shown}: {message}.") from error


def _decode(kind: type, value: Any) -> Any:
    if kind is Path and isinstance(value, (str, Path)):
        return Path(value).expanduser()
    raise msgspec.ValidationError(f"Expected {kind.__name__}, got {type(value).__name__}")


def _base(kind: Any) -> Any:
    """The type without None and without Annotated."""
    if get_origin(kind) in (Union, UnionType):
        kind = next(arg for arg in get_args(kind) if arg is not type(None))
    if get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    return kind


def _is_bytes(kind: Any) -> bool:
    metas = [kind, *get_args(kind)]
    return any(getattr(m, "extra", None) == {"unit": "bytes"} for k in metas for m in get_args(k))


def _nearest(name: str, known: list[str]) -> str:
    import difflib

    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f" Did you mean {near[0]}?" if near else " `mlxd config` lists them all."
