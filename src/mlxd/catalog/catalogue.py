"""One resolver for every name of a model: folder, hub id, alias, `pilot`."""

import importlib
import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from mlxd.settings import ModelSettings

from . import hub, lmstudio
from .folder import BrokenModel, ModelEntry, inspect
from .listing import KnownModel, is_hub_id, known_models, near

PILOT = "pilot"
# Names in one message; more would hide what it says.
MAX_NAMES = 12


class NameUnknown(LookupError):
    """No model has this name. `available` are the names that would have worked."""

    def __init__(self, name: str, available: Sequence[str], others: Sequence[str] = ()) -> None:
        self.name = name
        self.available = list(available)
        self.meant = near(name, [*available, *others])
        there = shortened(self.available) or "none yet"
        hint = f" Did you mean {' or '.join(self.meant)}?" if self.meant else ""
        self.told = f"There is no model named {name!r} here.{hint}"
        super().__init__(
            f"{self.told} On this machine: {there}. "
            "A folder with a model in it works too (--model DIR)."
        )


class NameAmbiguous(NameUnknown):
    def __init__(self, name: str, fitting: Sequence[str]) -> None:
        super().__init__(name, fitting)
        self.told = f"{name!r} may mean {' or '.join(fitting)}; write the one that you mean."
        self.args = (self.told,)


class NotDownloaded(LookupError):
    def __init__(self, name: str, hub: str, size: int | None = None) -> None:
        self.name = name
        self.hub = hub
        if name == hub:
            what = f"{hub} is neither a folder here nor among the models on this machine"
        else:
            what = f"{name} ({hub}) is not on this machine yet"
        much = f" (about {size / 1e9:.1f} GB)" if size else ""
        super().__init__(f"{what}. Download it{much}: mlxd models pull {name}")


class Found(msgspec.Struct, frozen=True):
    """A model on this machine, usable or not. `where`: bundled, folder, hub or lmstudio. `hub` is
    the name that it has there."""

    name: str
    where: str
    path: Path
    entry: ModelEntry | None = None
    reasons: list[str] = []
    hub: str | None = None


class Catalogue:
    """Names are looked up in the files at each call, so a model that was downloaded meanwhile is
    found; an entry once resolved keeps its identity.

    `own` is the user's catalogue file. CatalogueError with its line when something is wrong in it.
    """

    def __init__(
        self, configured: Sequence[ModelSettings] = (), *, own: Path | None = None
    ) -> None:
        self._known = known_models(own)
        self._folded = {alias.casefold(): alias for alias in self._known}
        self._by_path: dict[Path, ModelEntry] = {}
        self._names: dict[str, ModelEntry] = {}
        self._configured: list[ModelEntry] = []
        for wanted in configured:
            entry = self.find(wanted.name)
            if wanted.alias or wanted.capabilities is not None:
                entry = self._amend(entry, wanted)
            if entry not in self._configured:
                self._configured.append(entry)

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
        if name.casefold() == PILOT:
            path = pilot_path()
            if path is None:
                raise self._unknown(name)
            return self._register(inspect(path, name=PILOT))
        if known := self.known(name):
            return self._from_hub(name, known.hub)
        if any_folder:
            folder = Path(name).expanduser()
            if folder.is_dir() or name.startswith(("/", ".", "~")):
                return self._from_folder(folder)
            if folder.exists():
                raise BrokenModel(folder, ["it is a file; a model is the folder with config.json"])
        if same := self._like(name):
            return self.find(same, any_folder=any_folder)
        if is_hub_id(name):
            return self._from_hub(name, name)
        raise self._unknown(name)

    def hub_id(self, name: str) -> str:
        """What to download for this name, whether it is here or not; NameUnknown otherwise."""
        if known := self.known(name):
            return known.hub
        if is_hub_id(name):
            return name
        if name in self._names and is_hub_id(self._names[name].id):
            return self._names[name].id
        raise self._unknown(name)

    def known(self, name: str) -> KnownModel | None:
        """The line of the catalogue with this alias, or with this hub id."""
        alias = self._folded.get(name.casefold())
        if alias is not None:
            return self._known[alias]
        return next((m for m in self._known.values() if m.hub.casefold() == name.casefold()), None)

    def known_models(self) -> list[KnownModel]:
        return list(self._known.values())

    def available(self) -> list[str]:
        """Names that work on this machine now; what can't be loaded is not among them."""
        return [one.name for one in self.found() if one.entry is not None]

    def found(self) -> list[Found]:
        """Everything on this machine that is or was meant to be a model."""
        made = [
            Found(entry.id, "bundled" if entry.id == PILOT else "folder", entry.path, entry)
            for entry in self._configured
        ]
        bundled = pilot_path()
        if bundled is not None:
            made.append(self._looked_at(PILOT, "bundled", [bundled]))
        for name in hub.cached_hub_ids():
            paths = [one.path for one in hub.revisions(name)]
            made.append(self._looked_at(name, "hub", paths))
        made += [self._unfinished(name, size) for name, size in hub.unfinished()]
        made += [
            Found(name, "hub", path.parent, None, [f"{path} can't be read ({why})"], name)
            for name, path, why in hub.closed()
        ]
        made += [self._looked_at(name, "lmstudio", [path]) for name, path in lmstudio.models()]
        first: dict[Path, Found] = {}
        for one in made:
            first.setdefault(one.path.resolve(), one)
        return list(first.values())

    def _looked_at(self, name: str, where: str, paths: Sequence[Path]) -> Found:
        """The first of several revisions that is whole."""
        alias = next(iter(self._aliases(name)), name)
        broken: BrokenModel | None = None
        for path in paths:
            try:
                entry = inspect(path, name=name, aliases=self._aliases(name))
            except BrokenModel as error:
                broken = broken or error
                continue
            return Found(alias, where, path, self._by_path.get(path.resolve(), entry))
        reasons = broken.reasons if broken else []
        return Found(alias, where, paths[0], reasons=reasons, hub=name)

    def _unfinished(self, name: str, size: int) -> Found:
        alias = next(iter(self._aliases(name)), name)
        told = f"its download has not ended, {size / 1e6:.1f} MB are here; to go on: "
        reasons = [f"{told}mlxd models pull {alias}"]
        return Found(alias, "hub", hub.repository(name), reasons=reasons, hub=name)

    def _like(self, name: str) -> str | None:
        """The one model here that is called so but for case, or for what stands before a slash."""
        if not is_hub_id(name) and ("/" in name or not is_hub_id(f"any/{name}")):
            return None
        wanted = name.casefold()
        names = dict.fromkeys([*self._names, *hub.cached_hub_ids(), *self._lmstudio()])
        fitting = [one for one in names if one.casefold() == wanted and one != name]
        if name in names:
            return None
        if not fitting and "/" not in name:
            fitting = [one for one in names if one.rpartition("/")[2].casefold() == wanted]
        if len({id(self._names.get(one, one)) for one in fitting}) > 1:
            raise NameAmbiguous(name, fitting)
        return fitting[0] if fitting else None

    def _lmstudio(self) -> Iterator[str]:
        return (name for name, _ in lmstudio.models())

    def _unknown(self, name: str) -> NameUnknown:
        return NameUnknown(name, self.available(), list(self._known))

    def _from_folder(self, folder: Path) -> ModelEntry:
        path = folder.resolve()
        if path in self._by_path:
            return self._by_path[path]
        name = hub.hub_id_of_snapshot(path)
        if name is not None:
            return self._register(inspect(path, name=name, aliases=self._aliases(name)))
        return self._register(inspect(path, name=self._free_name(path)))

    def _from_hub(self, name: str, hub_id: str) -> ModelEntry:
        """From the Hugging Face cache, from LM Studio's folder otherwise: the first that is whole,
        of several revisions too."""
        paths = [one.path for one in hub.revisions(hub_id)]
        if elsewhere := lmstudio.find(hub_id):
            paths.append(elsewhere)
        broken: BrokenModel | None = None
        for path in paths:
            if path in self._by_path:
                return self._by_path[path]
            try:
                return self._register(inspect(path, name=hub_id, aliases=self._aliases(hub_id)))
            except BrokenModel as error:
                broken = broken or error
        if broken is not None:
            mend = "" if broken.lasting else f"mlxd models pull {name}"
            raise BrokenModel(broken.path, broken.reasons, lasting=broken.lasting, mend=mend)
        known = self.known(name)
        raise NotDownloaded(name, hub_id, known.size if known else None)

    def _aliases(self, hub_id: str) -> list[str]:
        return [model.alias for model in self._known.values() if model.hub == hub_id]

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
        amended = msgspec.structs.replace(entry, aliases=aliases)
        if wanted.capabilities is not None:
            amended = msgspec.structs.replace(
                amended, capabilities=wanted.capabilities, decided=True
            )
        self._by_path[entry.path.resolve()] = amended
        for name, held in list(self._names.items()):
            if held is entry:
                self._names[name] = amended
        self._names.update(dict.fromkeys(aliases, amended))
        return amended


def shortened(names: Sequence[str]) -> str:
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    return ", ".join(names[:MAX_NAMES]) + more


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
