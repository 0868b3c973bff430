import msgspec


class Settings(msgspec.Struct, forbid_unknown_fields=True):
    """What the gateway passes on from its settings. None: chosen from what the machine has."""

    weights: str = "auto"
    blas: str = "auto"
    kv_bytes: int | None = None
    prefix_bytes: int | None = None
    rows: int | None = None
    prefill_chunk: int = 2048
    pixel_limit: int = 40_000_000
