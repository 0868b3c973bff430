"""One resolver for every name of a model: folder, hub id, alias, `pilot`."""

import importlib
import importlib.util
import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

import msgspec

from mlxd.settings import ModelSettings

from .folder import BrokenModel, ModelEntry, inspect

PILOT = "pilot"


class NameUnknown(LookupError):
    """No model has this name. `available` are the names that would have worked."""

    def __init__(self, name: str, available: Sequence[str]) -> None:
        self.name = name
        self.available = list(available)
        there = ", ".join(self.available) or "none yet"
        super().__init__(
            f"There is no model named {name!r}. On this machine: {there}. "
            "A folder with a model in it works too (--model DIR)."
        )


class NotDownloaded(LookupError):
    def __init__(self, name: str, hub: str) -> None:
        self.name = name
        self.hub = hub
        if name == hub:
            what = f"{hub} is neither a folder here nor in the Hugging Face cache"
        else:
            what = f"{name} ({hub}) is not on this machine yet"
        super().__init__(f"{what}. Fetch it: hf download {hub}")


class KnownModel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line of the catalogue file."""

    alias: str
    hub: str
    capabilities: list[str] = []
    context: int | None = None
    licence: str = ""
    verified: bool = False


class Catalogue:
    """Names are looked up in the files at each call, so a model that was downloaded meanwhile is
    found; an entry once resolved keeps its identity."""

    def __init__(self, configured: Sequence[ModelSettings] = ()) -> None:
        self._by_path: dict[Path, ModelEntry] = {}
        self._names: dict[str, ModelEntry] = {}
        self._configured: list[ModelEntry] = []
        for wanted in configured:
            entry = self.find(wanted.name)
            if wanted.alias or wanted.capabilities is not None:
                entry = self._amend(entry, wanted)
            if entry not in self._configured:
                self._configured.append(entry)

    @cached_property
    def _known(self) -> dict[str, KnownModel]:
        return {model.alias: model for model in _shipped()}

    @property
    def configured(self) -> list[ModelEntry]:
        """What settings and flags asked for, in that order."""
        return list(self._configured)

    def find(self, name: str, *, any_folder: bool = True) -> ModelEntry:
        """The entry that `name` means; NameUnknown, NotDownloaded or BrokenModel otherwise.

        Without `any_folder`, only folders that were named before: a client over HTTP must not
        have whatever lies on this machine's disk opened.
        """
        if name in self._names:
            return self._names[name]
        if name == PILOT:
            path = pilot_path()
            if path is None:
                raise NameUnknown(name, self.available())
            return self._register(inspect(path, name=PILOT))
        if "/" not in name and name in self._known:
            return self._from_hub(name, self._known[name].hub)
        if not any_folder:
            if _is_hub_id(name) and snapshot(name) is not None:
                return self._from_hub(name, name)
            raise NameUnknown(name, self.available())
        folder = Path(name).expanduser()
        if folder.is_dir() or name.startswith(("/", ".", "~")):
            return self._from_folder(folder)
        if _is_hub_id(name):
            return self._from_hub(name, name)
        if folder.exists():
            raise BrokenModel(folder, ["it is a file; a model is the folder with config.json"])
        raise NameUnknown(name, self.available())

    def available(self) -> list[str]:
        """Names that work on this machine now."""
        names = [entry.id for entry in self._configured]
        if pilot_path() is not None:
            names.append(PILOT)
        for hub in cached_hub_ids():
            alias = next((m.alias for m in self._known.values() if m.hub == hub), None)
            names.append(alias or hub)
        return list(dict.fromkeys(names))

    def known(self) -> list[KnownModel]:
        return list(self._known.values())

    def _from_folder(self, folder: Path) -> ModelEntry:
        path = folder.resolve()
        if path in self._by_path:
            return self._by_path[path]
        hub = _hub_id_of_snapshot(path)
        if hub is not None:
            return self._register(inspect(path, name=hub, aliases=self._aliases(hub)))
        return self._register(inspect(path, name=self._free_name(path)))

    def _from_hub(self, name: str, hub: str) -> ModelEntry:
        path = snapshot(hub)
        if path is None:
            raise NotDownloaded(name, hub)
        if path in self._by_path:
            return self._by_path[path]
        return self._register(inspect(path, name=hub, aliases=self._aliases(hub)))

    def _aliases(self, hub: str) -> list[str]:
        return [model.alias for model in self._known.values() if model.hub == hub]

    def _free_name(self, path: Path) -> str:
        """The folder's name, with its parent's before it where another model has it already."""
        return path.name if path.name not in self._names else f"{path.parent.name}/{path.name}"

    def _register(self, entry: ModelEntry) -> ModelEntry:
        resolved = entry.path.resolve()
        if resolved in self._by_path:
            return self._by_path[resolved]
        self._by_path[resolved] = entry
        for name in (entry.id, str(entry.path), *entry.aliases):
            self._names.setdefault(name, entry)
        return entry

    def _amend(self, entry: ModelEntry, wanted: ModelSettings) -> ModelEntry:
        aliases = list(dict.fromkeys([*entry.aliases, *([wanted.alias] if wanted.alias else [])]))
        capabilities = entry.capabilities if wanted.capabilities is None else wanted.capabilities
        amended = msgspec.structs.replace(entry, aliases=aliases, capabilities=capabilities)
        self._by_path[entry.path.resolve()] = amended
        for name, held in list(self._names.items()):
            if held is entry:
                self._names[name] = amended
        self._names.update(dict.fromkeys(aliases, amended))
        return amended


def pilot_path() -> Path | None:
    """The bundled model's folder, where this installation has one."""
    if importlib.util.find_spec("mlxd.pilot") is None:
        return None
    where = getattr(importlib.import_module("mlxd.pilot"), "path", None)
    if where is None:
        return None
    try:
        path = Path(where())
    except FileNotFoundError:
        return None
    return path if (path / "config.json").exists() else None


def hub_cache() -> Path:
    """Hugging Face's own rules for where its cache lies."""
    if explicit := os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE"):
        return Path(explicit).expanduser()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = os.environ.get("HF_HOME") or f"{base}/huggingface"
    return Path(home).expanduser() / "hub"


def snapshot(hub: str) -> Path | None:
    """The folder in the cache that the hub's main branch points at."""
    repository = hub_cache() / ("models--" + hub.replace("/", "--"))
    try:
        commit = (repository / "refs" / "main").read_text(encoding="utf-8").strip()
    except (OSError, ValueError):  # ValueError also for a name with a null character in it
        return None
    path = repository / "snapshots" / commit
    return path.resolve() if commit and path.is_dir() else None


def cached_hub_ids() -> Iterator[str]:
    """Repositories in the cache that look like models that can be served."""
    try:
        folders = sorted(hub_cache().glob("models--*--*"))
    except OSError:
        return
    for folder in folders:
        hub = "/".join(folder.name.split("--")[1:])
        path = snapshot(hub)
        if path is not None and (path / "config.json").exists() and any(path.glob("*.safetensors")):
            yield hub


def _hub_id_of_snapshot(path: Path) -> str | None:
    """`.../models--org--name/snapshots/<commit>` is the hub's model, not a folder of its own."""
    repository = path.parent.parent.name
    if path.parent.name == "snapshots" and repository.startswith("models--"):
        hub = repository.removeprefix("models--").replace("--", "/", 1)
        return hub if snapshot(hub) == path else None
    return None


def _is_hub_id(name: str) -> bool:
    organisation, slash, model = name.partition("/")
    return bool(slash and organisation and model and "/" not in model)


def _shipped() -> list[KnownModel]:
    import tomllib

    text = (Path(__file__).parent / "catalogue.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text)["model"], type=list[KnownModel])
