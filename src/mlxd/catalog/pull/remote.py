"""What the hub has of a model: its commit and its files with their sizes and hashes. Everything is
asked for as Hugging Face's own library does it."""

import contextlib
import functools
import re
import time
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

import httpx2
import msgspec
from huggingface_hub import HfApi, constants, get_hf_file_metadata, hf_hub_url
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import (  # type: ignore[attr-defined]  # documented, not declared
    build_hf_headers,
    get_session,
    hf_raise_for_status,
)

import mlxd

from . import trouble
from .choose import is_safe
from .trouble import PullFailed

REVISION = "main"
# A hub that says nothing for so long is asked again.
QUIET_S = 30.0
CONNECT_S = 10.0
TIMEOUT = httpx2.Timeout(QUIET_S, connect=CONNECT_S)
# What may be over by the next attempt.
PASSING = (408, 425, 429, 500, 502, 503, 504)
# Attempts after which nothing had come; each byte that comes begins a new count.
ATTEMPTS = 6
# The same, while nobody has listened at all: there is probably no network.
ATTEMPTS_TO_CONNECT = 3
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 30.0
# A hub that wants to be left alone for longer is not waited for.
MOST_RETRY_AFTER_S = 300.0

_SHA256 = re.compile(r"[0-9a-f]{64}")
_SHA1 = re.compile(r"[0-9a-f]{40}")

# Told why and for how many seconds; returns when they are over, or raises to end it all.
Wait = Callable[[str, float], None]


class RemoteFile(msgspec.Struct, frozen=True):
    """`blob` is what the cache calls its content: the sha256 of a large file, git's sha1 of a small
    one. `size` None: the hub does not say."""

    name: str
    blob: str
    size: int | None

    @property
    def has_hash(self) -> bool:
        return bool(_SHA256.fullmatch(self.blob) or _SHA1.fullmatch(self.blob))


class Remote(msgspec.Struct, frozen=True):
    commit: str
    files: list[RemoteFile]


def headers() -> dict[str, str]:
    """With the user's token, if there is one."""
    made: dict[str, str] = build_hf_headers(library_name="mlxd", library_version=mlxd.__version__)
    # Ranges and sizes are of the content itself.
    made["Accept-Encoding"] = "identity"
    return made


def url_of(hub_id: str, commit: str, name: str) -> str:
    return str(hf_hub_url(hub_id, name, revision=commit))


def look_up(hub_id: str, known: list[str], wait: Wait) -> Remote:
    """PullFailed in words when it can't be had."""
    api = HfApi(library_name="mlxd", library_version=mlxd.__version__)
    with _explained(hub_id, known):
        info = patiently(lambda: api.model_info(hub_id, revision=REVISION, timeout=QUIET_S), wait)
        if not info.sha:
            raise PullFailed("hub_wrong", f"{trouble.endpoint()} names no commit of {hub_id}.")
        entries = _tree(hub_id, info.sha, wait)
        if entries is None:
            full = patiently(
                lambda: api.model_info(
                    hub_id, revision=info.sha, files_metadata=True, timeout=QUIET_S
                ),
                wait,
            )
            entries = [_sibling(one) for one in full.siblings or ()]
        files = [_file(one, hub_id, info.sha, wait) for one in entries if is_safe(one["path"])]
    return Remote(info.sha, files)


def _tree(hub_id: str, commit: str, wait: Wait) -> list[dict[str, Any]] | None:
    """None where the hub, or a mirror of it, has no such listing."""
    url = f"{constants.ENDPOINT}/api/models/{hub_id}/tree/{quote(commit, safe='')}"
    params: dict[str, Any] | None = {"recursive": True, "expand": False}
    found: list[dict[str, Any]] = []
    while url:
        try:
            page = patiently(functools.partial(_get, url, params), wait)
        except HfHubHTTPError as error:
            if not found and error.response.status_code in (404, 405, 501):
                return None
            raise
        found += page.json()
        # The next page's address has the parameters in it.
        url, params = page.links.get("next", {}).get("url", ""), None
    return [one for one in found if one.get("type") == "file"]


def _get(url: str, params: dict[str, Any] | None) -> httpx2.Response:
    response = get_session().get(url, params=params, headers=headers(), timeout=TIMEOUT)
    hf_raise_for_status(response)
    return response


def _sibling(one: Any) -> dict[str, Any]:
    lfs = getattr(one, "lfs", None)
    return {
        "path": one.rfilename,
        "size": one.size,
        "oid": one.blob_id or "",
        "lfs": {"oid": lfs.sha256, "size": lfs.size} if lfs else None,
    }


def _file(one: dict[str, Any], hub_id: str, commit: str, wait: Wait) -> RemoteFile:
    lfs = one.get("lfs") or {}
    found = RemoteFile(
        one["path"],
        str(lfs.get("oid") or lfs.get("sha256") or one.get("oid") or ""),
        lfs.get("size") or one.get("size"),
    )
    return found if found.has_hash and found.size is not None else head(found, hub_id, commit, wait)


def head(file: RemoteFile, hub_id: str, commit: str, wait: Wait) -> RemoteFile:
    """As the file itself is answered: for what the listing leaves out."""
    url = url_of(hub_id, commit, file.name)
    told = patiently(lambda: get_hf_file_metadata(url, timeout=QUIET_S, headers=headers()), wait)
    return RemoteFile(file.name, told.etag or file.blob, told.size or file.size)


# --- patience --------------------------------------------------------------------------------


def patiently(ask: Callable[[], Any], wait: Wait) -> Any:
    for attempt in range(ATTEMPTS):
        try:
            return ask()
        except (httpx2.TransportError, HfHubHTTPError) as error:
            most = ATTEMPTS_TO_CONNECT if isinstance(error, httpx2.ConnectError) else ATTEMPTS
            if attempt >= most - 1 or not is_passing(error):
                raise
            wait(reason(error), pause(error, attempt))
    raise AssertionError("the last attempt returns or raises")


def is_passing(error: Exception) -> bool:
    if isinstance(error, OfflineModeIsEnabled):
        return False
    if isinstance(error, HfHubHTTPError):
        return error.response.status_code in PASSING and asked_to_wait(error) <= MOST_RETRY_AFTER_S
    return isinstance(error, httpx2.TransportError)


def pause(error: Exception, attempt: int) -> float:
    asked = asked_to_wait(error) if isinstance(error, HfHubHTTPError) else 0.0
    return asked or min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**attempt)


def asked_to_wait(error: HfHubHTTPError) -> float:
    """What Retry-After says, as seconds or as a date."""
    told = error.response.headers.get("Retry-After", "")
    if told.isdigit():
        return float(told)
    try:
        return max(0.0, parsedate_to_datetime(told).timestamp() - time.time())
    except (ValueError, TypeError):
        return 0.0


def reason(error: Exception) -> str:
    if isinstance(error, HfHubHTTPError):
        return f"the hub answers {error.response.status_code}"
    what = "broke off" if isinstance(error, httpx2.RemoteProtocolError) else "does not answer"
    return f"the hub {what} ({str(error) or type(error).__name__})"


@contextlib.contextmanager
def _explained(hub_id: str, known: list[str]) -> Iterator[None]:
    try:
        yield
    except (httpx2.HTTPError, HfHubHTTPError, OfflineModeIsEnabled, ValueError) as error:
        raise explained(error, hub_id, known) from error


def explained(error: Exception, hub_id: str, known: list[str]) -> PullFailed:
    if isinstance(error, PullFailed):
        return error
    if isinstance(error, OfflineModeIsEnabled):
        return trouble.offline(hub_id, f"{hub_id} is not whole on this machine")
    if isinstance(error, GatedRepoError):
        return trouble.gated(hub_id)
    if isinstance(error, RemoteEntryNotFoundError):
        asked = f" ({error.response.url})" if error.response is not None else ""
        return PullFailed("hub_wrong", f"{trouble.endpoint()} lists a file that it lacks{asked}.")
    if isinstance(error, (RepositoryNotFoundError, RevisionNotFoundError)):
        return trouble.not_found(hub_id, known)
    if isinstance(error, HfHubHTTPError):
        return _of_status(error, hub_id, known)
    if isinstance(error, httpx2.TransportError):
        why = str(error) or type(error).__name__
        is_cut = isinstance(error, httpx2.RemoteProtocolError)
        return trouble.broke_off(why) if is_cut else trouble.unreachable(why)
    return PullFailed(
        "hub_wrong",
        f"{trouble.endpoint()} answered what no hub does ({_line(error)}). Is HF_ENDPOINT right, "
        "and does the network ask for a log-in?",
    )


def _line(error: Exception) -> str:
    """The library's messages go on with addresses of its documentation."""
    return str(error).strip().partition("\n")[0]


def _of_status(error: HfHubHTTPError, hub_id: str, known: list[str]) -> PullFailed:
    status = error.response.status_code
    if status == 404:
        return trouble.not_found(hub_id, known)
    if status in (401, 403):
        return trouble.unauthorized(hub_id, status)
    if status in PASSING:
        asked = asked_to_wait(error)
        wish = f" and asks to be left alone for {asked:.0f} s" if asked else ""
        return trouble.busy(
            f"answers {status}{wish}", 0 if asked > MOST_RETRY_AFTER_S else ATTEMPTS
        )
    return PullFailed("hub_wrong", f"{trouble.endpoint()} answered {status}: {_line(error)}")
