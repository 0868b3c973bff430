"""Which files of a repository a model needs. Everything but what it certainly does not: a format of
tokenizer that nobody here has heard of must not be left out."""

from pathlib import PurePosixPath

# Never run, so never fetched.
CODE = {".py", ".pyc", ".ipynb", ".sh", ".so", ".dll", ".dylib", ".exe", ".bat", ".ps1"}
# The same weights in other forms, which MLX does not read.
OTHER_WEIGHTS = {
    ".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack", ".onnx", ".onnx_data", ".gguf", ".ggml",
    ".ot", ".tflite", ".mlmodel", ".npz", ".pkl", ".pickle", ".pdparams", ".engine", ".llamafile",
}  # fmt: skip
PICTURES = {
    ".png", ".jpg", ".jpeg", ".gif", ".webp", ".svg", ".bmp", ".tiff", ".mp4", ".mov", ".webm",
    ".mp3", ".wav", ".flac", ".ogg", ".pdf",
}  # fmt: skip
DATA = {".parquet", ".arrow", ".csv", ".tsv", ".zip", ".tar", ".gz", ".tgz", ".7z", ".rar"}
UNWANTED = CODE | OTHER_WEIGHTS | PICTURES | DATA
# Folders with the same model once more, or with none.
FOLDERS = {"original", "onnx", "openvino", "coreml", "gguf", "metal", "figures", "images", "assets"}
# Mistral's own name for weights that are also there as model-*.safetensors.
DUPLICATE = "consolidated"
WEIGHTS = ".safetensors"


def is_safe(name: str) -> bool:
    """A name from a server becomes a path on this machine."""
    path = PurePosixPath(name)
    return (
        bool(name)
        and not path.is_absolute()
        and "\\" not in name
        and ":" not in name
        and name.isprintable()
        and not {"", ".", ".."} & set(name.split("/"))
    )


def is_wanted(name: str) -> bool:
    path = PurePosixPath(name)
    # What is hidden is for other programs, and git runs what stands in its own.
    if any(part.startswith(".") for part in path.parts):
        return False
    if FOLDERS & {part.lower() for part in path.parts[:-1]}:
        return False
    if path.suffix == WEIGHTS and path.name.startswith(DUPLICATE):
        return False
    return path.suffix.lower() not in UNWANTED


def is_weights(name: str) -> bool:
    return name.endswith(WEIGHTS)


def why_none(names: list[str]) -> str | None:
    """Why there is nothing that MLX could load, whatever else the repository has."""
    wanted = [name for name in names if is_wanted(name)]
    if any(is_weights(name) for name in wanted):
        return None if "config.json" in names else "it has no config.json"
    kinds = {PurePosixPath(name).suffix.lower() for name in names} & OTHER_WEIGHTS
    if ".gguf" in kinds:
        return "its weights are GGUF, which MLX can't load"
    if kinds:
        return f"its weights are {' and '.join(sorted(kinds))} files, not safetensors"
    return "it has no weights (*.safetensors)"
