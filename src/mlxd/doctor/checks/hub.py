"""Whether models can be fetched: the hub, or the mirror that HF_ENDPOINT names."""

import email.utils
import os
import time
from pathlib import Path
from typing import Any

from ..finding import Case, Finding, ok, warn
from ..hints import asked, quoted

TITLE = "Model hub"
WHY = "Models are fetched from there. What is on this machine already is served without it."

USUAL = "https://huggingface.co"
LIMIT_S = 6.0
OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
GO_OFFLINE = "export HF_HUB_OFFLINE=1"


def endpoint(case: Case) -> str:
    return case.environ.get("HF_ENDPOINT", "").rstrip("/") or USUAL


def offline(case: Case) -> str:
    """The variable that says so."""
    yes = {"1", "true", "yes", "on"}
    return next((name for name in OFFLINE if case.environ.get(name, "").lower() in yes), "")


def probe(url: str, token: str) -> dict[str, Any]:
    """What came back, in a process of its own: a resolver may hang beyond every time limit."""
    import httpx2

    headers = {"authorization": f"Bearer {token}"} if token else {}
    began = time.monotonic()
    try:
        with httpx2.Client(timeout=LIMIT_S, follow_redirects=True) as client:
            path = "/api/whoami-v2" if token else "/api/models?limit=1"
            answer = client.get(url + path, headers=headers)
    except httpx2.HTTPError as error:
        return {"error": str(error) or type(error).__name__}
    date = email.utils.parsedate_to_datetime(answer.headers["date"]) if _dated(answer) else None
    return {
        "status": answer.status_code,
        "page": answer.headers.get("content-type", "").startswith("text/html"),
        "seconds": round(time.monotonic() - began, 3),
        # Both are of the same moment, to within the time that the answer took.
        "ahead": round(time.time() - date.timestamp(), 1) if date else None,
    }


def _dated(answer: Any) -> bool:
    try:
        email.utils.parsedate_to_datetime(answer.headers.get("date", ""))
    except (ValueError, TypeError):
        return False
    return True


def look(case: Case) -> Finding:
    if variable := offline(case):
        return ok(f"offline by choice ({variable}): only models on this machine are served")
    where = endpoint(case)
    if "://" not in where:
        told = f"HF_ENDPOINT is {where!r}, which is no address"
        return warn(told, f"export HF_ENDPOINT={USUAL}")
    token = _token(case)
    answer = case.ask("hub:probe", {"url": where, "token": token}, limit_s=LIMIT_S + 5)
    found = answer.value or {"error": answer.failure}
    if "error" in found:
        return _unreachable(where, str(found["error"]), case)
    told = f"{where} answers {found['status']} within {found['seconds']:.1f} s"
    if found["status"] == 401 and token:
        told = f"{where} refuses the token of this machine: even public models fail with it"
        return warn(told, *_forget(case), **found)
    if found["status"] >= 500 or found["status"] in (403, 429):
        return warn(f"{told}: not now", GO_OFFLINE, *asked(where), **found)
    if found["page"]:
        return warn(f"{told} with a web page: it is no hub, or a network's log-in",
                    *_usual_again(case), *asked(where), **found)  # fmt: skip
    return ok(told, **found)


def _usual_again(case: Case) -> list[str]:
    return ["unset HF_ENDPOINT"] if case.environ.get("HF_ENDPOINT") else []


def _unreachable(where: str, error: str, case: Case) -> Finding:
    told = f"{where} can't be reached: {error}"
    if "certificate" in error.lower():
        bundle = "/etc/ssl/certs/ca-certificates.crt"
        here = Path(bundle).exists() and not case.environ.get("SSL_CERT_FILE")
        trust = [f"export SSL_CERT_FILE={bundle}"] if here else [GO_OFFLINE, *asked(where)]
        return warn(told, *trust, error=error)
    return warn(told, GO_OFFLINE, *_usual_again(case), *asked(where), error=error)


def _token_file(case: Case) -> Path:
    home = case.environ.get("HF_HOME") or os.path.join(
        case.environ.get("XDG_CACHE_HOME") or "~/.cache", "huggingface"
    )
    return Path(case.environ.get("HF_TOKEN_PATH") or os.path.join(home, "token")).expanduser()


def _token(case: Case) -> str:
    if token := case.environ.get("HF_TOKEN") or case.environ.get("HUGGING_FACE_HUB_TOKEN"):
        return token.strip()
    try:
        return _token_file(case).read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def _forget(case: Case) -> list[str]:
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        if case.environ.get(name):
            return [f"unset {name}", "hf auth login"]
    return [quoted("rm", _token_file(case)), "hf auth login"]
