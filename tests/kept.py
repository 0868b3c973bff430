"""What is compiled once on a machine need not be compiled once for each home that a test makes."""

from pathlib import Path

from mlxd.machine.kept import cache_folder


def share_compiled(home: Path) -> None:
    """Services with this home find what others have made; everything else of it is its own."""
    shared = cache_folder()
    if not shared.is_relative_to(Path.home()):
        return  # it is where every home looks
    shared.mkdir(parents=True, exist_ok=True)
    own = home / shared.relative_to(Path.home())
    own.parent.mkdir(parents=True, exist_ok=True)
    if not own.is_symlink():
        own.symlink_to(shared, target_is_directory=True)
