"""What the gateway tells the desk when it starts it."""

from pathlib import Path
from typing import Any

import msgspec

from mlxd.settings import AgentSettings, DocumentSettings


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """`gateway`: where models are asked for, with `token`. `socket`: where the desk listens."""

    socket: Path
    gateway: str
    data_dir: Path
    token: str | None = None
    documents: DocumentSettings = DocumentSettings()
    agent: AgentSettings = AgentSettings()
    log_level: str = "info"

    @property
    def folder(self) -> Path:
        """Of everything that the desk keeps on this machine."""
        return self.data_dir / "documents"

    @property
    def store(self) -> Path:
        """Of files and the index; with several machines, one that all of them see."""
        return self.documents.store or self.folder


def read(line: bytes) -> Config:
    return msgspec.json.decode(line, type=Config, dec_hook=_decode)


def _decode(kind: type, value: Any) -> Any:
    if kind is Path:
        return Path(value)
    raise NotImplementedError(kind)
