"""What can go wrong with a download, in words for whoever asked for it."""

import errno
import os
import signal
from pathlib import Path

from mlxd.catalog.listing import near

from .events import Trouble


class PullFailed(Exception):
    """`code` for programs; `again` when the same request may work later."""

    def __init__(self, code: str, message: str, *, again: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.again = again


def is_offline() -> bool:
    """As Hugging Face's own library reads it."""
    told = os.environ.get("HF_HUB_OFFLINE") or os.environ.get("TRANSFORMERS_OFFLINE") or ""
    return told.upper() in ("1", "ON", "YES", "TRUE")


def endpoint() -> str:
    return (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")


def check_endpoint() -> None:
    """What is no address at all is not asked, and not asked again."""
    if not endpoint().startswith(("http://", "https://")):
        raise PullFailed(
            "hub_wrong",
            f"HF_ENDPOINT is {endpoint()!r}, which is no address of a hub. Write it with https:// "
            "or http:// before it, or unset it for huggingface.co.",
        )


def has_token() -> bool:
    from huggingface_hub import get_token

    return get_token() is not None


def not_found(hub_id: str, known: list[str]) -> PullFailed:
    meant = [one for one in near(hub_id, known) if one != hub_id]
    hint = f" Did you mean {' or '.join(meant)}?" if meant else ""
    private = (
        "or the token that is set may not see it"
        if has_token()
        else "or it is private and needs a token (HF_TOKEN)"
    )
    return PullFailed(
        "hub_model_not_found",
        f"{endpoint()} has no model {hub_id}, {private}.{hint}",
    )


def moved(hub_id: str) -> PullFailed:
    return PullFailed(
        "hub_changed",
        f"{endpoint()} has the revision of {hub_id} no more that it named a moment ago: it was "
        "changed meanwhile, or its main branch is gone. Pull again; what is the same is kept.",
        again=True,
    )


def gated(hub_id: str) -> PullFailed:
    if has_token():
        what = "the account of the token that is set has no access yet"
    else:
        what = "no token is set"
    return PullFailed(
        "hub_model_gated",
        f"{hub_id} is gated, and {what}. Accept its conditions at {endpoint()}/{hub_id}, make a "
        f"token at {endpoint()}/settings/tokens, and pull again with HF_TOKEN set to it.",
    )


def unauthorized(hub_id: str, status: int) -> PullFailed:
    what = (
        f"{endpoint()} does not accept the token that is set (HF_TOKEN, or `hf auth login`)"
        if status == 401 and has_token()
        else f"the token that is set may not read {hub_id}"
        if has_token()
        else f"{endpoint()} refuses {hub_id} without a token"
    )
    return PullFailed(
        "hub_unauthorized",
        f"{what}. Make one that may read at {endpoint()}/settings/tokens and set HF_TOKEN to it.",
    )


def unreachable(why: str) -> PullFailed:
    hint = "" if "HF_ENDPOINT" in os.environ else ", or name a mirror with HF_ENDPOINT"
    return PullFailed(
        "hub_unreachable",
        f"{endpoint()} can't be reached ({why}). Check the network{hint}; pull again and it goes "
        "on from where it was.",
        again=True,
    )


def broke_off(why: str) -> PullFailed:
    """It was reached, and something between here and there ends each answer too early."""
    return PullFailed(
        "hub_unreachable",
        f"{endpoint()} answers, and its answers break off ({why}). A proxy or mirror in between "
        "may limit them; pull again later, or name another mirror with HF_ENDPOINT.",
        again=True,
    )


def page_instead(file: str) -> PullFailed:
    return PullFailed(
        "hub_wrong",
        f"{endpoint()} sends a web page where {file} should be. Does the network ask for a log-in, "
        "or is HF_ENDPOINT no hub? Open that address in a browser.",
    )


def busy(what: str, attempts: int) -> PullFailed:
    """`attempts` 0: it wants more patience than anybody has."""
    still = f", and still does at attempt {attempts}" if attempts else ""
    return PullFailed(
        "hub_busy",
        f"{endpoint()} {what}{still}. Pull again later; it goes on from where it was.",
        again=True,
    )


def corrupt(file: str, told: str) -> PullFailed:
    return PullFailed(
        "download_corrupt",
        f"{file} came twice with content that is not what {endpoint()} promises ({told}). Nothing "
        "of it was kept. A mirror or proxy in between may be broken; try another (HF_ENDPOINT).",
    )


def other_size(file: str, wanted: int, is_: int) -> PullFailed:
    return PullFailed(
        "download_corrupt",
        f"{file} ends after {is_} bytes, and {endpoint()} promises {wanted}. Nothing of it was "
        "kept. A mirror or proxy in between may be broken; try another (HF_ENDPOINT).",
    )


def names_collide(file: str, folder: Path) -> PullFailed:
    return PullFailed(
        "cannot_write",
        f"{folder} can't hold {file} and another file of the model, whose name this file system "
        "takes for the same. Move the cache to one that tells them apart: HF_HOME.",
    )


def file_and_folder(name: str) -> PullFailed:
    return PullFailed(
        "hub_wrong", f"{endpoint()} lists {name} as a file and as a folder. No model has that."
    )


def no_room(needed: int, free: int, place: Path) -> PullFailed:
    return PullFailed(
        "disk_full",
        f"{_shown(needed)} are needed and {_shown(free)} are free in {place}. Make room "
        "(`mlxd doctor --only disk` says what could go), or move the cache: HF_HOME.",
    )


def _shown(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


def from_os(error: OSError, place: Path) -> PullFailed:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return PullFailed(
            "disk_full",
            f"the disk became full while it was written to ({place}). What has come is kept; make "
            "room and pull again.",
        )
    return PullFailed(
        "cannot_write",
        f"{error.filename or place} can't be written ({error.strerror or error}). The cache is "
        "where HF_HOME or HF_HUB_CACHE say.",
    )


def ended(hub_id: str, code: int | None) -> Trouble:
    """Its process is gone and has not said why. `code` as a process leaves it."""
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        hint = ", as the system does where memory runs out" if name == "SIGKILL" else ""
        how = f"was ended from outside by {name}{hint}"
    else:
        how = f"ended without saying why (status {code})"
    return Trouble(
        "download_ended",
        f"The download of {hub_id} {how}. What has come is kept, and the next one goes on from "
        f"there: mlxd models pull {hub_id}",
    )


def offline(hub_id: str, missing: str) -> PullFailed:
    return PullFailed(
        "offline",
        f"Offline mode is on (HF_HUB_OFFLINE), and {missing}. Unset it to download {hub_id}, or "
        f"copy the model's folder here and name that.",
    )
