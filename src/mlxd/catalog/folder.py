"""What a model folder says about itself, from its files alone: nothing of it is executed."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

# Any one of these means that the folder has a tokenizer.
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer.model",
    "vocab.json",
    "vocab.txt",
    "spiece.model",
    "tekken.json",
)
OTHER_WEIGHTS = {".bin": "PyTorch", ".pt": "PyTorch", ".pth": "PyTorch", ".gguf": "GGUF"}
# A safetensors header is JSON of some hundred bytes a tensor; more than this is no header.
MAX_HEADER_BYTES = 100 * 1024 * 1024
# Some tokenizers say "no limit" with a number of this order.
NO_LIMIT = 10**9

_CONTEXT_KEYS = (
    "max_position_embeddings",
    "max_sequence_length",
    "max_seq_len",
    "seq_length",
    "n_positions",
    "n_ctx",
)
_EMBEDDING_FILES = ("config_sentence_transformers.json", "1_Pooling", "modules.json")


class BrokenModel(ValueError):
    """A folder that cannot be served as a model. `reasons` name each thing that is missing."""

    def __init__(self, path: Path, reasons: Sequence[str]) -> None:
        self.path = path
        self.reasons = list(reasons)
        super().__init__(f"{path} can't be served as a model: {'; '.join(self.reasons)}.")


class ModelEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One model, whatever it was called. `path` is the folder with its files."""

    id: str
    path: Path
    aliases: list[str] = []
    capabilities: list[str] = []
    context: int | None = None
    size_bytes: int = 0
    architecture: str = ""
    created: int = 0


def inspect(path: Path, *, name: str | None = None, aliases: Sequence[str] = ()) -> ModelEntry:
    """The entry of a model folder; BrokenModel with all the reasons when it can't be one."""
    config = _config(path)
    try:
        names = sorted(entry.name for entry in os.scandir(path))
    except OSError as error:
        raise BrokenModel(path, [f"it can't be listed ({error.strerror})"]) from error
    shards, reasons = _weights(path, names)
    if not any(file in names for file in TOKENIZER_FILES):
        reasons.append("it has no tokenizer (tokenizer.json)")
    if not config.get("model_type"):
        reasons.append("config.json names no model_type")
    if reasons:
        raise BrokenModel(path, reasons)
    tokenizer = _json(path / "tokenizer_config.json")
    return ModelEntry(
        id=name or path.name,
        path=path,
        aliases=list(aliases),
        capabilities=_capabilities(config, names, _template(path, tokenizer)),
        context=_context(config, tokenizer),
        size_bytes=sum((path / shard).stat().st_size for shard in shards),
        architecture=str(config["model_type"]),
        created=int((path / "config.json").stat().st_mtime),
    )


def _config(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise BrokenModel(path, ["there is no such folder"])
    if not path.is_dir():
        raise BrokenModel(path, ["it is a file; a model is the folder with config.json in it"])
    try:
        config = msgspec.json.decode((path / "config.json").read_bytes())
    except FileNotFoundError:
        raise BrokenModel(path, ["config.json is missing"]) from None
    except OSError as error:
        raise BrokenModel(path, [f"config.json can't be read ({error.strerror})"]) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BrokenModel(path, [f"config.json is not valid JSON ({error})"]) from error
    if not isinstance(config, dict):
        raise BrokenModel(path, ["config.json holds no JSON object"])
    return config


def _weights(path: Path, names: list[str]) -> tuple[list[str], list[str]]:
    """The weight files and what is wrong with them."""
    shards = [name for name in names if name.endswith(".safetensors")]
    index = _json(path / "model.safetensors.index.json").get("weight_map")
    wanted = sorted(set(index.values())) if isinstance(index, dict) else []
    missing = [str(shard) for shard in wanted if not (path / str(shard)).exists()]
    if missing:
        what = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if missing[3:] else "")
        return shards, [f"{len(missing)} of {len(wanted)} weight files are missing ({what})"]
    if not shards:
        kinds = {OTHER_WEIGHTS[s] for name in names if (s := Path(name).suffix) in OTHER_WEIGHTS}
        if kinds:
            found = " and ".join(sorted(kinds))
            return [], [f"its weights are {found}, not safetensors; `mlx_lm.convert` makes those"]
        return [], ["it has no weights (*.safetensors)"]
    return shards, [reason for shard in shards if (reason := _damage(path / shard))]


def _damage(shard: Path) -> str | None:
    """Why a safetensors file cannot be whole, by its own header."""
    try:
        size = shard.stat().st_size
        with shard.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if size < 8 or length > min(MAX_HEADER_BYTES, size - 8):
                return f"{shard.name} is cut off or no safetensors file ({size} bytes)"
            header = msgspec.json.decode(file.read(length))
        ends = [t["data_offsets"][1] for k, t in header.items() if k != "__metadata__"]
        whole = 8 + length + max(ends, default=0)
    except OSError as error:
        return f"{shard.name} can't be read ({error.strerror})"
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, IndexError, TypeError):
        return f"{shard.name} has a damaged header"
    except AttributeError:
        return f"{shard.name} has a damaged header"
    return f"{shard.name} is cut off: {size} of {whole} bytes" if size < whole else None


def _json(path: Path) -> dict[str, Any]:
    """An optional file: absent or damaged counts as empty."""
    try:
        value = msgspec.json.decode(path.read_bytes())
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return {}
    return value if isinstance(value, dict) else {}


def _template(path: Path, tokenizer: dict[str, Any]) -> str:
    """All chat templates of the model in one text, only to be searched."""
    parts: list[str] = []
    try:
        parts.append((path / "chat_template.jinja").read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        parts.append(str(_json(path / "chat_template.json").get("chat_template", "")))
    inside = tokenizer.get("chat_template")
    if isinstance(inside, str):
        parts.append(inside)
    elif isinstance(inside, list):
        parts += [str(t.get("template", "")) for t in inside if isinstance(t, dict)]
    return "\n".join(parts)


def _capabilities(config: dict[str, Any], names: list[str], template: str) -> list[str]:
    listed = config.get("architectures")
    architectures = [str(name) for name in listed] if isinstance(listed, list) else []
    if any(name.endswith("ForSequenceClassification") for name in architectures):
        return ["reranker"]
    encoder = any(name.endswith(("BertModel", "RobertaModel")) for name in architectures)
    if encoder or any(file in names for file in _EMBEDDING_FILES):
        return ["embedding"]
    found = ["text"]
    if isinstance(config.get("vision_config"), dict) or "vision_tower" in config:
        found.append("vision")
    if "tools" in template:
        found.append("tool_use")
    return [*found, "structured_output"]


def _context(config: dict[str, Any], tokenizer: dict[str, Any]) -> int | None:
    inner = [config.get(key) for key in ("text_config", "llm_config", "language_config")]
    for part in [*(c for c in inner if isinstance(c, dict)), config]:
        for key in _CONTEXT_KEYS:
            value = part.get(key)
            if isinstance(value, int) and value > 0:
                return value
    limit = tokenizer.get("model_max_length")
    return int(limit) if isinstance(limit, (int, float)) and 0 < limit < NO_LIMIT else None
