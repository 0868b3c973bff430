"""An OpenAI-compatible server elsewhere, as the settings declare it."""

import re
from collections.abc import Sequence
from typing import Annotated
from urllib.parse import urlsplit

import msgspec

from .capabilities import KNOWN

# In capitals, as such names are by custom: a key that was put here by mistake has small letters,
# and is refused before it could be printed anywhere.
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")

Seconds = Annotated[float, msgspec.Meta(gt=0)]
Count = Annotated[int, msgspec.Meta(ge=1)]


class RemoteSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`models`: the name here, and the name there."""

    name: str
    url: str
    models: dict[str, str]
    key_env: str | None = None
    capabilities: list[str] = msgspec.field(default_factory=lambda: ["text"])
    context: Count | None = None
    concurrency: Count = 32
    connect_timeout: Seconds = 10.0
    # A whole answer has no byte before it is finished, so this is as long as clients wait for one.
    first_timeout: Seconds = 600.0
    stall_timeout: Seconds = 60.0


def mistakes(remotes: Sequence[RemoteSettings]) -> str:
    """What is wrong with them, as far as can be seen without asking; empty if nothing is."""
    names: set[str] = set()
    taken: dict[str, str] = {}
    for one in remotes:
        where = f"remotes {one.name!r}"
        if one.name in names:
            return f"{where} is there twice; each needs a name of its own."
        names.add(one.name)
        if wrong := _wrong_url(one.url):
            return f"{where}: {wrong}"
        if one.key_env is not None and not _VARIABLE.fullmatch(one.key_env):
            return (
                f"{where}: key_env takes the name of an environment variable in capitals, such as "
                "FARM_API_KEY, and never the key itself."
            )
        if not one.models:
            return f'{where} names no model: models = {{ "name-here" = "name-there" }}.'
        for label in one.capabilities:
            if label not in KNOWN:
                return f"{where}: {label!r} is no capability. There are {', '.join(KNOWN)}."
        for model in one.models:
            if model in KNOWN:
                return f"{where}: {model!r} is a capability; give the model another name."
            if model in taken:
                return f"{where}: {model!r} is a model of {taken[model]!r} already."
            taken[model] = one.name
    return ""


def _wrong_url(url: str) -> str:
    """Without the URL itself where a password may stand in it."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "url is no address such as https://host/v1."
    if parts.username is not None or parts.password is not None:
        return "url has a user or a password in it; a key comes from the variable key_env names."
    if parts.scheme not in ("http", "https") or not host or port == 0:
        return "url is no address such as https://host/v1."
    if parts.query or parts.fragment:
        return "url has a query or a fragment; it is the part before /chat/completions."
    return ""
