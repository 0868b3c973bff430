"""What the hub has of a model: its commit and its files with their sizes and hashes. Everything is
asked for as Hugging Face's own library does it."""

import contextlib
import functools
import re
import time
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from typing import Annotated, Any
from urllib.parse import urlsplit

import httpx2
import msgspec
from huggingface_hub import constants, get_hf_file_metadata, hf_hub_url
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
# Attempts after which next to nothing had come; as much as SOME_BYTES begins a new count. With less
# at each, a model of some gigabytes would take weeks, and nobody would be told why.
ATTEMPTS = 6
SOME_BYTES = 32 * 1024
# The same, while nobody has listened at all: there is probably no network.
ATTEMPTS_TO_CONNECT = 3
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 30.0
# A hub that wants to be left alone for longer is not waited for.
MOST_RETRY_AFTER_S = 300.0
# Some ten times what the largest repositories of models have.
MOST_FILES = 200_000
MOST_LISTED_BYTES = 64_000_000

_SHA256 = re.compile(r"[0-9a-f]{64}")
_SHA1 = re.compile(r"[0-9a-f]{40}")
# What becomes a name on this machine: a commit, or the mark of a content without a hash.
_PLAIN = re.compile(r"\w[\w.-]{0,127}", re.ASCII)

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
    with _explained(hub_id, known):
        commit = _info(hub_id, wait).sha
        if not _PLAIN.fullmatch(commit):
            raise PullFailed("hub_wrong", f"{trouble.endpoint()} names no commit of {hub_id}.")
        entries = _tree(hub_id, commit, wait)
        if entries is None:
            entries = _info(hub_id, wait, commit).siblings
        files = [_file(one, hub_id, commit, wait) for one in entries if is_safe(one.name)]
    return Remote(commit, files)


_Size = Annotated[int, msgspec.Meta(ge=0)]


class _Large(msgspec.Struct):
    """What a large file's entry says of its content; one of the two is its hash."""

    oid: str = ""
    sha256: str = ""
    size: _Size | None = None


class _Entry(msgspec.Struct):
    """A file, as a listing has it or as the model's description has it."""

    type: str = "file"
    path: str = ""
    rfilename: str = ""
    size: _Size | None = None
    oid: str = ""
    blob_id: str = msgspec.field(default="", name="blobId")
    lfs: _Large | None = None

    @property
    def name(self) -> str:
        return self.path or self.rfilename

    @property
    def blob(self) -> str:
        large = self.lfs or _Large()
        return large.oid or large.sha256 or self.oid or self.blob_id


class _Info(msgspec.Struct):
    sha: str = ""
    siblings: list[_Entry] = []


def _info(hub_id: str, wait: Wait, commit: str | None = None) -> _Info:
    url = f"{_api(hub_id)}/revision/{commit or REVISION}"
    params = {"blobs": True} if commit else None
    body, _ = patiently(functools.partial(_get, url, params), wait)
    return msgspec.json.decode(body, type=_Info)


def _tree(hub_id: str, commit: str, wait: Wait) -> list[_Entry] | None:
    """None where the hub, or a mirror of it, has no such listing."""
    url = f"{_api(hub_id)}/tree/{commit}"
    params: dict[str, Any] | None = {"recursive": True, "expand": False}
    found: list[_Entry] = []
    seen: set[str] = set()
    while url and url not in seen and len(found) < MOST_FILES:
        seen.add(url)
        try:
            body, following = patiently(functools.partial(_get, url, params), wait)
        except HfHubHTTPError as error:
            if not found and error.response.status_code in (404, 405, 501):
                return None
            raise
        found += msgspec.json.decode(body, type=list[_Entry])
        # The next page's address has the parameters in it.
        url, params = _here(following), None
    if url:
        raise ValueError(f"a listing that does not end, after {len(found)} files")
    return [one for one in found if one.type == "file"]


def _api(hub_id: str) -> str:
    return f"{constants.ENDPOINT}/api/models/{hub_id}"


def _here(address: str) -> str:
    """The same page at the hub that was named: a mirror may pass on its source's addresses, and
    the token is for nobody else."""
    if not address:
        return ""
    there = urlsplit(address)
    place = there.path.find("/api/")
    if place < 0:
        raise ValueError(f"the next page of a listing at {address[:200]!r}")
    query = f"?{there.query}" if there.query else ""
    return f"{constants.ENDPOINT}{there.path[place:]}{query}"


def _get(url: str, params: dict[str, Any] | None) -> tuple[bytes, str]:
    """What is there, and the address of its next page."""
    body = bytearray()
    with get_session().stream(
        "GET", url, params=params, headers=headers(), timeout=TIMEOUT, follow_redirects=True
    ) as response:
        hf_raise_for_status(response)
        for data in response.iter_bytes():
            body += data
            if len(body) > MOST_LISTED_BYTES:
                raise ValueError(f"more than {MOST_LISTED_BYTES // 10**6} MB without an end")
        return bytes(body), str(response.links.get("next", {}).get("url", ""))


def _file(one: _Entry, hub_id: str, commit: str, wait: Wait) -> RemoteFile:
    size = one.size if one.lfs is None or one.lfs.size is None else one.lfs.size
    found = RemoteFile(one.name, one.blob, size)
    if found.has_hash and found.size is not None:
        return found
    found = head(found, hub_id, commit, wait)
    if not _PLAIN.fullmatch(found.blob):
        # It becomes the name of a file.
        raise ValueError(f"{found.blob[:80]!r} as the mark of {found.name}")
    return found


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
    return isinstance(error, httpx2.TransportError) and not _is_misled(error)


def _is_misled(error: Exception) -> bool:
    """Sent on to where nothing can be fetched, a file:// address for example."""
    return isinstance(error, httpx2.UnsupportedProtocol)


def pause(error: Exception, attempt: int) -> float:
    asked = asked_to_wait(error) if isinstance(error, HfHubHTTPError) else 0.0
    return asked or min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**attempt)


def asked_to_wait(error: HfHubHTTPError) -> float:
    """What Retry-After says, as seconds or as a date."""
    told = error.response.headers.get("Retry-After", "")
    if told.isascii() and told.isdigit():
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
    if isinstance(error, RevisionNotFoundError):
        return trouble.moved(hub_id)
    if isinstance(error, RepositoryNotFoundError):
        return trouble.not_found(hub_id, known)
    if isinstance(error, HfHubHTTPError):
        return _of_status(error, hub_id, known)
    if isinstance(error, httpx2.TransportError) and not _is_misled(error):
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
