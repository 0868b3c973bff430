"""What a model folder says about itself, from its files alone: nothing of it is executed."""

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from mlxd.capabilities import is_for_vectors, repository_name

from . import template
from .architectures import is_classifier, unsupported

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
# The largest index and configuration that is known has a tenth of it; a gigabyte of JSON is no
# configuration, and reading it would take the machine's memory.
MAX_JSON_BYTES = 64 * 1024 * 1024
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


class BrokenModel(ValueError):
    """A folder that cannot be served as a model. `reasons` name each thing that is missing.
    `lasting`: another download of it would be no better."""

    def __init__(
        self, path: Path, reasons: Sequence[str], *, lasting: bool = False, mend: str = ""
    ) -> None:
        self.path = path
        self.reasons = list(reasons)
        self.lasting = lasting
        told = f" To get it whole: {mend}" if mend else ""
        super().__init__(f"{path} can't be served as a model: {'; '.join(self.reasons)}.{told}")


class ModelEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One model, whatever it was called. `path` is the folder with its files. `decided`: by the
    settings, what it may be asked for, whatever else it turns out to be able to."""

    id: str
    path: Path
    aliases: list[str] = []
    capabilities: list[str] = []
    decided: bool = False
    context: int | None = None
    size_bytes: int = 0
    architecture: str = ""
    created: int = 0


def inspect(path: Path, *, name: str | None = None, aliases: Sequence[str] = ()) -> ModelEntry:
    """The entry of a model folder; BrokenModel with all the reasons when it can't be one."""
    seen = _fingerprint(path)
    kept = _inspected.get(path)
    if kept is None or kept[0] != seen:
        try:
            found: ModelEntry | _Broken = _inspect(path)
        except BrokenModel as error:
            found = _Broken(error.reasons, error.lasting)
        _inspected[path] = kept = (seen, found)
    if isinstance(kept[1], _Broken):
        raise BrokenModel(path, kept[1].reasons, lasting=kept[1].lasting)
    return msgspec.structs.replace(kept[1], id=name or path.name, aliases=list(aliases))


class _Broken(msgspec.Struct, frozen=True):
    reasons: list[str]
    lasting: bool


# What was found in a folder whose files have not changed since. A cache of many models is gone
# through for each answer that lists them.
_inspected: dict[Path, tuple[Any, ModelEntry | _Broken]] = {}


def _fingerprint(path: Path) -> list[tuple[str, int, int]]:
    """Changes when a file does, or what a link points at."""
    made = []
    try:
        for entry in os.scandir(path):
            try:
                status = entry.stat()
            except OSError:
                made.append((entry.name, -1, -1))
            else:
                made.append((entry.name, status.st_size, status.st_mtime_ns))
    except (OSError, ValueError):
        return []
    return sorted(made)


def _inspect(path: Path) -> ModelEntry:
    config = read_config(path)
    try:
        names = sorted(entry.name for entry in os.scandir(path))
    except OSError as error:
        raise BrokenModel(path, [f"it can't be listed ({error.strerror})"]) from error
    shards, reasons = _weights(path, names)
    lasting = bool(_other_weights(names)) and not shards
    reasons += _tokenizer_problems(path)
    tokenizer = read_json(path / "tokenizer_config.json")
    capabilities = _capabilities(config, path, names, templates(path, tokenizer))
    if not config.get("model_type"):
        reasons.append("config.json names no model_type")
    elif told := unsupported(config, embedding="embedding" in capabilities):
        reasons.append(told)
        lasting = True
    if "text" in capabilities and (told := template.problem(_chosen_templates(path))):
        reasons.append(told)
    if reasons:
        raise BrokenModel(path, reasons, lasting=lasting)
    return ModelEntry(
        id=path.name,
        path=path,
        capabilities=capabilities,
        context=_context(config, tokenizer),
        size_bytes=sum((path / shard).stat().st_size for shard in shards),
        architecture=str(config["model_type"]),
        created=int((path / "config.json").stat().st_mtime),
    )


def read_config(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise BrokenModel(path, ["there is no such folder"])
    if not path.is_dir():
        raise BrokenModel(path, ["it is a file; a model is the folder with config.json in it"])
    try:
        config = _decoded(path / "config.json")
    except FileNotFoundError:
        raise _without_config(path) from None
    except OSError as error:
        raise BrokenModel(path, [f"config.json can't be read ({error.strerror})"]) from error
    except NoJson as error:
        raise BrokenModel(path, [f"config.json {error}"]) from error
    if not isinstance(config, dict):
        raise BrokenModel(path, ["config.json holds no JSON object"])
    return config


class NoJson(ValueError):
    """What is wrong with a file that should be JSON, to be said after its name."""


def _decoded(file: Path) -> Any:
    """Of regular files only: a pipe would never end, a device neither."""
    status = file.stat()
    if stat.S_ISDIR(status.st_mode):
        raise NoJson("is a folder")
    if not stat.S_ISREG(status.st_mode):
        raise NoJson("is no regular file")
    if status.st_size > MAX_JSON_BYTES:
        raise NoJson(f"has {status.st_size / 1e6:.0f} MB, which is no configuration")
    try:
        return msgspec.json.decode(file.read_bytes())
    except RecursionError:
        raise NoJson("is nested too deeply") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NoJson(f"is not valid JSON ({error})") from error


def _without_config(path: Path) -> BrokenModel:
    if (path / "config.json").is_symlink():
        return BrokenModel(path, ["config.json is a link to a file that is gone"])
    try:
        kinds = _other_weights([entry.name for entry in os.scandir(path)])
    except OSError as error:
        return BrokenModel(path, [f"it can't be listed ({error.strerror})"])
    if kinds:
        return BrokenModel(path, [f"it holds {kinds} weights, which MLX can't load"], lasting=True)
    return BrokenModel(path, ["config.json is missing"])


def _other_weights(names: Sequence[str]) -> str:
    """The formats of weights there that MLX does not read."""
    kinds = {OTHER_WEIGHTS[s] for name in names if (s := Path(name).suffix) in OTHER_WEIGHTS}
    return " and ".join(sorted(kinds))


def _tokenizer_problems(path: Path) -> list[str]:
    """Of the files that an engine reads as they are. One fetched without Git LFS is a few lines of
    text that point elsewhere."""
    if not any((path / file).exists() for file in TOKENIZER_FILES):
        return ["it has no tokenizer (tokenizer.json)"]
    told = []
    try:
        with (path / "tokenizer.json").open("rb") as file:
            if not file.read(256).lstrip().startswith(b"{"):
                told.append("tokenizer.json is not valid JSON")
    except FileNotFoundError:
        pass
    except OSError as error:
        told.append(f"tokenizer.json can't be read ({error.strerror})")
    try:
        _decoded(path / "tokenizer_config.json")
    except FileNotFoundError:
        pass
    except OSError as error:
        told.append(f"tokenizer_config.json can't be read ({error.strerror})")
    except NoJson as error:
        told.append(f"tokenizer_config.json {error}")
    return told


def _weights(path: Path, names: list[str]) -> tuple[list[str], list[str]]:
    """The weight files and what is wrong with them."""
    shards = [name for name in names if name.endswith(".safetensors")]
    gone = [name for name in shards if not (path / name).exists()]
    index = read_json(path / "model.safetensors.index.json").get("weight_map")
    wanted = sorted({str(shard) for shard in index.values()}) if isinstance(index, dict) else []
    missing = [shard for shard in wanted if not (path / shard).exists()]
    if gone and not missing:
        return shards, [f"{gone[0]} is a link to a file that is gone"]
    if missing:
        what = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if missing[3:] else "")
        return shards, [f"{len(missing)} of {len(wanted)} weight files are missing ({what})"]
    if not shards:
        if kinds := _other_weights(names):
            return [], [f"its weights are {kinds}, not safetensors; `mlx_lm.convert` makes those"]
        return [], ["it has no weights (*.safetensors)"]
    loaded = [name for name in shards if name in wanted or not wanted]
    if not any(name.startswith("model") for name in loaded):
        return loaded, [f"its weights are not called model*.safetensors ({loaded[0]})"]
    return loaded, [reason for shard in loaded if (reason := _damage(path / shard))]


def _damage(shard: Path) -> str | None:
    """Why a safetensors file cannot be whole, by its own header."""
    try:
        status = shard.stat()
        if stat.S_ISFIFO(status.st_mode) or stat.S_ISCHR(status.st_mode):
            return f"{shard.name} is no regular file"
        size = status.st_size
        with shard.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if size < 8 or length > min(MAX_HEADER_BYTES, size - 8):
                return f"{shard.name} is cut off or no safetensors file ({size} bytes)"
            header = msgspec.json.decode(file.read(length))
        offsets = [t["data_offsets"] for k, t in header.items() if k != "__metadata__"]
        if any(not 0 <= begin <= end for begin, end in offsets):
            return f"{shard.name} has a damaged header"
        ends = [end for _, end in offsets]
        whole = 8 + length + max(ends, default=0)
    except OSError as error:
        return f"{shard.name} can't be read ({error.strerror})"
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return f"{shard.name} has a damaged header"
    return f"{shard.name} is cut off: {size} of {whole} bytes" if size < whole else None


def read_json(path: Path) -> dict[str, Any]:
    """An optional file: absent or damaged counts as empty."""
    try:
        value = _decoded(path)
    except (OSError, NoJson):
        return {}
    return value if isinstance(value, dict) else {}


def templates(path: Path, tokenizer: dict[str, Any]) -> str:
    """All chat templates of the model in one text, only to be searched."""
    parts: list[str] = []
    try:
        file = path / "chat_template.jinja"
        if file.exists() and (not file.is_file() or file.stat().st_size > MAX_JSON_BYTES):
            return ""
        parts.append(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        parts.append(str(read_json(path / "chat_template.json").get("chat_template", "")))
    inside = tokenizer.get("chat_template")
    if isinstance(inside, str):
        parts.append(inside)
    elif isinstance(inside, list):
        parts += [str(t.get("template", "")) for t in inside if isinstance(t, dict)]
    return "\n".join(parts)


def _chosen_templates(path: Path) -> list[str]:
    """The ones that an engine would take, in its order: see `_sources` there."""
    file = path / "chat_template.jinja"
    if file.is_file() and file.stat().st_size <= MAX_JSON_BYTES:
        try:
            return [file.read_text(encoding="utf-8")]
        except (OSError, UnicodeDecodeError):
            return []
    for name in ("chat_template.json", "tokenizer_config.json", "processor_config.json"):
        found = read_json(path / name).get("chat_template")
        if isinstance(found, str) and found:
            return [found]
        if isinstance(found, list):
            named = {t.get("name"): t.get("template") for t in found if isinstance(t, dict)}
            wanted = [named.get("tool_use"), named.get("default") or next(iter(named.values()), "")]
            return [one for one in wanted if isinstance(one, str) and one]
    return []


def _capabilities(config: dict[str, Any], path: Path, names: list[str], template: str) -> list[str]:
    if is_classifier(config):
        return ["reranker"]
    if is_for_vectors(repository_name(path), names, config):
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
