"""Whether the settings can be read."""

from mlxd.settings import default_config_file

from ..finding import Case, Finding, fail, ok

TITLE = "Settings"
WHY = "mlxd does not start with a setting that it does not know: it would do what nobody wanted."


def look(case: Case) -> Finding:
    if case.complaint:
        return fail(case.complaint, "mlxd config")
    set_by = {source for source in case.settings.sources.values() if source != "default"}
    if not set_by:
        return ok(f"all at their defaults; there is no {default_config_file()}")
    return ok("from " + ", ".join(sorted(set_by)), sources=sorted(set_by))
