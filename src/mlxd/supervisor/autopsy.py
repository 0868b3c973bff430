"""What an engine's last words mean, where they are those of a known failure."""

from pathlib import Path

from .launch import TAIL_BYTES


def size_of(log: Path) -> int:
    try:
        return log.stat().st_size
    except OSError:
        return 0


def explained(told: str, log: Path | None, begin: int) -> str:
    """Empty where nothing is recognised. `begin`: where in the log this engine's own words begin;
    those of earlier ones must not be taken for them."""
    # Only a death needs the table of failures: most gateways never see one.
    from mlxd.doctor.diagnose import explain

    found = explain(f"{_last_words(log, begin)}\n{told}")
    return f"{found.cause} What to do: {found.do[0]}" if found else ""


def _last_words(log: Path | None, begin: int) -> str:
    if log is None:
        return ""
    try:
        with log.open("rb") as file:
            file.seek(max(begin, log.stat().st_size - TAIL_BYTES))
            return file.read(TAIL_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""
