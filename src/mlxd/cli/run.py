"""`mlxd run`: one answer, or a chat, from the service on this machine."""

import base64
import contextlib
import json
import mimetypes
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mlxd.catalog import BrokenModel, NameUnknown, NotDownloaded
from mlxd.settings import Settings
from mlxd.supervisor.record import living_gateways

from .complaint import Complaint
from .models_ls import catalogue_of
from .service import only_url, refusal

EXIT_STOPPED = 130
# A model may have to be loaded first, and a CPU takes long over a long prompt.
QUIET_S = 600.0
# Until a service that was started for this is ready.
START_S = 300.0
LEAVE = ("/bye", "/exit", "/quit")
DIM, PLAIN = "\x1b[2m", "\x1b[0m"

Message = dict[str, Any]


class Asked:
    """Where to ask, and with what."""

    def __init__(self, settings: Settings, url: str, model: str, options: dict[str, Any]) -> None:
        self.url = url
        self._token = settings.server.token
        self._body = {"model": model, **options}

    def open(self, messages: Sequence[Message], *, stream: bool) -> Any:
        headers = {"content-type": "application/json"}
        if self._token:
            headers["authorization"] = f"Bearer {self._token}"
        body = {**self._body, "messages": list(messages), "stream": stream}
        request = urllib.request.Request(
            f"{self.url}/v1/chat/completions", json.dumps(body).encode(), headers
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            return opener.open(request, timeout=QUIET_S)
        except urllib.error.HTTPError as error:
            raise Complaint(refusal(error)) from error
        except OSError as error:
            raise Complaint(f"{self.url} does not answer: {error}", 3) from error


def run(
    settings: Settings,
    name: str,
    prompt: str | None,
    *,
    images: Sequence[Path],
    system: str | None,
    url: str | None,
    options: dict[str, Any],
    as_json: bool,
) -> int:
    messages: list[Message] = [{"role": "system", "content": system}] if system else []
    if not sys.stdin.isatty():
        piped = sys.stdin.read().strip()
        prompt = "\n\n".join(part for part in (prompt, piped) if part) or None
        if prompt is None:
            raise Complaint("there is nothing to ask: no prompt was given, and none was piped in.")
    pictures = [_picture(path) for path in images]
    _get_if_missing(settings, name, url)
    asked = Asked(settings, url or _service(settings, name), name, options)
    if prompt is None:
        return _chat(asked, messages, pictures)
    messages.append(_user(prompt, pictures))
    if as_json:
        with asked.open(messages, stream=False) as answer:
            print(json.dumps(json.load(answer), indent=2))
        return 0
    try:
        _answer(asked, messages)
    except KeyboardInterrupt:
        print()
        return EXIT_STOPPED
    return 0


# --- before the first question ---------------------------------------------------------------


def _get_if_missing(settings: Settings, name: str, url: str | None) -> None:
    """Ask whether to download it, where there is someone to ask."""
    if url is not None:
        return
    try:
        catalogue_of(settings).find(name)
    except NotDownloaded as error:
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise Complaint(str(error)) from error
        print(f"{error}", file=sys.stderr)
        if input("Download it now? [y/N] ").strip().casefold() not in ("y", "yes"):
            raise Complaint("Nothing was downloaded.") from error
        from .models_pull import pull

        if code := pull(settings, name, as_json=False):
            raise Complaint("The download has not ended well.", code) from error
    except BrokenModel as error:
        raise Complaint(str(error)) from error
    except NameUnknown:
        return  # a capability, perhaps, or a name that only the service knows


def _service(settings: Settings, name: str) -> str:
    """The one that runs, or one that is started for it and goes on running."""
    if not living_gateways(settings.data_dir):
        from .background import up

        folder = Path(name).expanduser()
        models = [str(folder.resolve())] if folder.is_dir() else None
        flags = {"models": models, "data_dir": str(settings.data_dir)}
        with contextlib.redirect_stdout(sys.stderr):
            up(settings, flags, START_S)
            print("It goes on running; to end it: mlxd down")
    return only_url(settings, None)


def _picture(path: Path) -> Message:
    try:
        content = path.expanduser().read_bytes()
    except OSError as error:
        raise Complaint(f"{path} can't be read: {error.strerror}") from error
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    address = f"data:{kind};base64,{base64.b64encode(content).decode()}"
    return {"type": "image_url", "image_url": {"url": address}}


def _user(text: str, pictures: Sequence[Message]) -> Message:
    if not pictures:
        return {"role": "user", "content": text}
    return {"role": "user", "content": [*pictures, {"type": "text", "text": text}]}


# --- answers ---------------------------------------------------------------------------------


def _chat(asked: Asked, messages: list[Message], pictures: list[Message]) -> int:
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401 - input() is edited with it, where Python was built so
    print("Ctrl-C stops an answer; /bye or Ctrl-D ends the chat.", file=sys.stderr)
    while True:
        try:
            text = input("> ").strip()
        except EOFError:
            print()
            return 0
        except KeyboardInterrupt:
            print("\n/bye or Ctrl-D ends the chat.", file=sys.stderr)
            continue
        if text in LEAVE:
            return 0
        if not text:
            continue
        messages.append(_user(text, pictures))
        try:
            said = _answer(asked, messages)
        except KeyboardInterrupt:
            print()
            said = "".join(_said)
        except Complaint as complaint:
            # What was asked can't be answered; the chat before it still can go on.
            print(f"mlxd: {complaint}", file=sys.stderr)
            messages.pop()
            continue
        pictures = []
        messages.append({"role": "assistant", "content": said})


# Of the answer that is being written, for when it is stopped.
_said: list[str] = []


def _answer(asked: Asked, messages: Sequence[Message]) -> str:
    """Written out as it comes."""
    _said.clear()
    finish = None
    thinking = False
    with asked.open(messages, stream=True) as answer:
        for chunk in _chunks(answer):
            for choice in chunk.get("choices", ()):
                delta = choice.get("delta") or {}
                if thought := delta.get("reasoning_content"):
                    thinking = _think(thought, thinking)
                if text := delta.get("content"):
                    thinking = _end_thought(thinking)
                    _said.append(text)
                    print(text, end="", flush=True)
                finish = choice.get("finish_reason") or finish
    _end_thought(thinking)
    print()
    if finish == "length":
        print("(cut off at the limit of tokens; more: --max-tokens)", file=sys.stderr)
    elif not _said:
        print(f"(the model said nothing; finish_reason is {finish})", file=sys.stderr)
    return "".join(_said)


def _think(thought: str, before: bool) -> bool:
    """Reasoning goes where it is in nobody's way."""
    if sys.stderr.isatty():
        print(f"{'' if before else DIM}{thought}", end="", file=sys.stderr, flush=True)
    return True


def _end_thought(thinking: bool) -> bool:
    if thinking and sys.stderr.isatty():
        print(PLAIN, file=sys.stderr, flush=True)
    return False


def _chunks(answer: Any) -> Iterator[dict[str, Any]]:
    for line in answer:
        if not line.startswith(b"data: "):
            continue
        data = line.removeprefix(b"data: ").strip()
        if data == b"[DONE]":
            return
        chunk = json.loads(data)
        if "error" in chunk:
            raise Complaint(chunk["error"]["message"])
        yield chunk
    raise Complaint("the answer broke off: the service has gone.")
