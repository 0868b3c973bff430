"""Whether the settings can be read."""

from pathlib import Path

from mlxd.settings import default_config_file

from ..finding import Case, Finding, fail, ok
from ..hints import ours, quoted

TITLE = "Settings"
WHY = "mlxd does not start with a setting that it does not know: it would do what nobody wanted."


def look(case: Case) -> Finding:
    if case.complaint:
        return fail(case.complaint, *_mend(case))
    set_by = {source for source in case.settings.sources.values() if source != "default"}
    if not set_by:
        return ok(f"all at their defaults; there is no {default_config_file()}")
    return ok("from " + ", ".join(sorted(set_by)), sources=sorted(set_by))


def _mend(case: Case) -> list[str]:
    """Without what is wrong: the variable that says it, or the file."""
    told = case.complaint.partition("Did you mean")[0]
    wrong = [name for name in case.environ if name.startswith("MLXD_") and name in _words(told)]
    if wrong:
        return [quoted("unset", max(wrong, key=len))]
    gone = next((word for word in _words(told) if word.startswith("/")), "")
    if "There is no settings file" in told and gone:
        if case.environ.get("MLXD_CONFIG") == gone:
            return ["unset MLXD_CONFIG"]
        return [f"{quoted('mkdir', '-p', Path(gone).parent)} && {quoted('touch', gone)}"]
    file = next((word for word in _words(told) if Path(word).is_file()), "")
    return [*([quoted("mv", file, f"{file}.off")] if file else []), ours("config")]


def _words(text: str) -> list[str]:
    return [word.strip("().,;:'\"") for word in text.split()]
