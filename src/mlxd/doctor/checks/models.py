"""Each model that is to be served: whole, of a known architecture, small enough, with a template
that can be rendered."""

import contextlib
from pathlib import Path
from typing import Any

from mlxd.catalog import (
    BrokenModel,
    Catalogue,
    CatalogueError,
    ModelEntry,
    NameUnknown,
    NotDownloaded,
)
from mlxd.catalog.listing import own_file
from mlxd.settings import ModelSettings

from ..finding import Case, Finding, fail, ok
from ..hints import ours, quoted, shown

TITLE = "Models"
WHY = "A model with a missing file, an unknown architecture or a broken template can't be served."

# The bundled model takes the place of what can't be served.
BUNDLED = "export MLXD_MODELS=pilot"


def wanted(case: Case) -> list[str]:
    """By settings and by what was assigned, but for those of remotes; the bundled one where there
    is nothing at all."""
    from mlxd.catalog import PILOT
    from mlxd.supervisor.contract import NotKept
    from mlxd.supervisor.store import Store

    names = [one.name for one in case.settings.models]
    store = Store(case.settings.data_dir)
    try:
        kept = [one for one in store.assignments().values() if one.model]
        if names != store.served():
            # As at a start: what is named now takes over what it can do.
            taken = {can for name in names if (found := _entry(case, name)) for can in found}
            kept = [one for one in kept if one.capability not in taken]
    except NotKept:
        kept = []  # the check of the folders says what is wrong with the database
    if not names and not kept:
        return [PILOT]
    elsewhere = {model for remote in case.settings.remotes for model in remote.models}
    names += [one.path or str(one.model) for one in kept if one.model not in elsewhere]
    return list(dict.fromkeys(names))


def _entry(case: Case, name: str) -> list[str]:
    """What this model can do; nothing where it can't be served."""
    found = _find(case, name)
    return found.capabilities if isinstance(found, ModelEntry) else []


def hub_ids(case: Case) -> set[str]:
    """What the names mean on the hub, on this machine or not."""
    try:
        catalogue = Catalogue(own=case.settings.catalogue.file)
    except CatalogueError:
        return set()
    found = set()
    for name in wanted(case):
        with contextlib.suppress(NameUnknown):
            found.add(catalogue.hub_id(name))
    return found


def entries(case: Case) -> list[ModelEntry]:
    """Those that can be served, once each."""
    found = [one for name in wanted(case) if isinstance(one := _find(case, name), ModelEntry)]
    return list({entry.path: entry for entry in found}.values())


def probe(path: str, context: int) -> dict[str, Any]:
    """What an engine would do before it loads weights: the tokenizer, the template, the class."""
    from mlxd import wire
    from mlxd.engine.text import Template, Tokenizer

    folder = Path(path)
    tokenizer = Tokenizer.load(folder)
    template = Template.load(folder, tokenizer)
    hello = wire.Message("user", [wire.TextPart("hello")])
    text = template.render(wire.Chat([hello]))
    told = []
    if "hello" not in text:
        told.append("its template leaves out what the user says")
    tools = [wire.Tool("look_up", "finds a value", {"type": "object", "properties": {}})]
    if template.renders_tools and "look_up" not in template.render(wire.Chat([hello], tools)):
        told.append("its template names tools and leaves them out")
    if not tokenizer.encode(text):
        told.append("its tokenizer makes nothing of a greeting")
    return {"problems": told, "prompt": text[:500]}


def look(case: Case) -> Finding:
    told: list[str] = []
    mend: list[str] = []
    good: list[str] = []
    budget = _budget(case)
    for name in wanted(case):
        found = _find(case, name)
        if not isinstance(found, ModelEntry):
            # A catalogue that can't be read is said once, not for each name.
            told += [str(found)] if str(found) not in told else []
            mend += _mend(found, case.settings.catalogue.file)
        elif problem := _problem(case, found, budget):
            told.append(f"{found.id}: {problem}.")
            mend += _fetched_again(found.path)
        else:
            good.append(f"{found.id} ({shown(found.size_bytes)})")
    if told:
        return fail(" ".join(told), *dict.fromkeys(mend))
    whole = ", ".join(good) + ": whole, with a template that renders"
    return ok(whole if good else "none of this machine: all are of remotes")


def _budget(case: Case) -> int:
    from mlxd.machine import memory
    from mlxd.supervisor.ledger import SHARE

    return case.settings.engine.memory_budget or int(memory().total * SHARE)


def _find(case: Case, name: str) -> ModelEntry | Exception:
    try:
        own = case.settings.catalogue.file
        return Catalogue([ModelSettings(name=name)], own=own).configured[0]
    except (BrokenModel, NotDownloaded, NameUnknown, CatalogueError) as error:
        return error


def _problem(case: Case, entry: ModelEntry, budget: int) -> str:
    from mlxd.supervisor.ledger import estimate

    need = estimate(entry, case.settings.engine.kv_budget)
    if need > budget:
        return f"it needs about {shown(need)}, and engines may have {shown(budget)} together"
    if not {"text", "vision"} & set(entry.capabilities):
        return ""
    context = entry.context or 0
    answer = case.ask("models:probe", {"path": str(entry.path), "context": context}, limit_s=30)
    if answer.value is None:
        return answer.failure
    return "; ".join(answer.value["problems"])


def _mend(error: Exception, own: Path | None) -> list[str]:
    if isinstance(error, NotDownloaded):
        return [ours("models", "pull", error.name), BUNDLED]
    if isinstance(error, BrokenModel):
        return [BUNDLED] if error.lasting else _fetched_again(error.path)
    if isinstance(error, CatalogueError):
        return [_emptied(own or own_file(), named=own is not None)]
    return [BUNDLED, ours("models", "ls")]


def _emptied(file: Path, *, named: bool) -> str:
    """The shipped catalogue alone. A file that a setting names must be there, if only empty."""
    aside = quoted("mv", file, f"{file}.off")
    if not named:
        return aside
    if file.exists():
        return f"{aside} && {quoted('touch', file)}"
    return f"{quoted('mkdir', '-p', file.parent)} && {quoted('touch', file)}"


def _fetched_again(path: Path) -> list[str]:
    """What is no model of the hub can't be fetched again: then the bundled one goes on."""
    hub = _hub_of(path)
    return [*([ours("models", "pull", hub)] if hub else []), BUNDLED]


def _hub_of(path: Path) -> str:
    """The hub's name of a folder in its cache."""
    repository = path.parent.parent.name
    if path.parent.name != "snapshots" or not repository.startswith("models--"):
        return ""
    return repository.removeprefix("models--").replace("--", "/", 1)
