"""A run of all suites against an mlxd on this machine says what holds for that model here."""

from pathlib import Path
from urllib.parse import urlsplit

from mlxd.catalog import certificate
from mlxd.catalog.certificate import Certificate, Proved
from mlxd.smoke import Run


def certify(run: Run, data_dir: Path) -> Path | None:
    """Where the certificate lies; None for a server that is not an mlxd here. ValueError and
    OSError say why there can be none."""
    folder = folder_here(run)
    if folder is None:
        return None
    if not run.target.started_by_us and (named := run.target.engine.get("data_dir")):
        data_dir = Path(named)
    return certificate.store(issue(run, folder, data_dir), data_dir)


def folder_here(run: Run) -> Path | None:
    """The model's folder, where the server is an mlxd on this machine."""
    folder = Path(str(run.target.listed.get("path") or ""))
    here = urlsplit(run.target.url).hostname in ("127.0.0.1", "localhost", "::1")
    return (
        folder if here and run.target.engine and folder.is_absolute() and folder.is_dir() else None
    )


def issue(run: Run, folder: Path, data_dir: Path) -> Certificate:
    if run.cut_short or run.error:
        raise ValueError(f"the run did not come to its end: {run.cut_short or run.error}")
    engine = run.target.engine
    if not engine.get("versions"):
        raise ValueError("the server does not say which versions it runs")
    model, device = run.target.listed.get("id") or run.target.model, str(engine.get("device", ""))
    before = certificate.load(data_dir, model, device)
    files = certificate.read(folder, before.files if before else None)
    loaded_ns = float(engine.get("started_at") or 0) * 1e9
    for name, one in files.items():
        # Also for a file that was moved here: its stamp of change is that of the move.
        if loaded_ns and max(one.stamp.mtime_ns, one.stamp.ctime_ns) > loaded_ns:
            raise ValueError(
                f"{name} was changed after the engine had loaded the model; restart it "
                f"(POST /engines/{model}/restart) and run smoke again"
            )
    return Certificate(
        model=model,
        weights=certificate.weights_of(files),
        files=files,
        versions=dict(engine["versions"]),
        device=device,
        dtype=str(engine.get("dtype", "")),
        verdict=run.verdict,
        suites=list(dict.fromkeys(check.suite for check in run.checks if check.judged)),
        checks={
            check.id: Proved(check.verdict, check.passed, len(check.judged)) for check in run.checks
        },
        issued=run.started,
    )
