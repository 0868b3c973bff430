"""What the agent can do beside talking. Each tool asks the service over HTTP as any client does,
and its result is cut to what a model can take, with a way to read on."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx2
from pydantic_ai import BinaryContent, FunctionToolset, ModelRetry, RunContext, ToolReturn
from pydantic_ai.ui.vercel_ai.response_types import DataChunk

SEARCH_RESULTS = 5
# Of a passage in a list of results; the whole is a call of read_document away.
PASSAGE_CHARACTERS = 600


@dataclass
class Reach:
    """What the tools of one turn share: the service, and the passages that were shown so far."""

    service: httpx2.AsyncClient
    longest: int
    cited: list[dict[str, Any]] = field(default_factory=list)

    async def get(self, path: str, **params: Any) -> Any:
        return await self._json("GET", path, params=params)

    async def post(self, path: str, body: Any) -> Any:
        return await self._json("POST", path, json=body)

    async def _json(self, method: str, path: str, **more: Any) -> Any:
        response = await self.service.request(method, path, **more)
        if response.is_success:
            return response.json()
        raise ModelRetry(told(response))

    def cite(self, passage: dict[str, Any]) -> dict[str, Any]:
        """The passage's number in this turn, the same each time it is found."""
        for known in self.cited:
            if known["chunk"] == passage["chunk"]:
                return known
        self.cited.append({"n": len(self.cited) + 1, **passage})
        return self.cited[-1]


def told(response: httpx2.Response) -> str:
    try:
        return str(response.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {response.status_code}"


toolset = FunctionToolset[Reach]()


@toolset.tool
async def search_documents(
    ctx: RunContext[Reach], query: str, document: str | None = None
) -> ToolReturn:
    """Search the user's documents. Each result has a number n: cite it in the answer as [n].

    Args:
        query: What to look for, in the language of the documents.
        document: Only in the document with this id.
    """
    wanted: dict[str, Any] = {"query": query, "limit": SEARCH_RESULTS}
    if document:
        wanted["document"] = [document]
    made = await ctx.deps.post("/search", wanted)
    shown, chunks = [], []
    for one in made["results"]:
        citation = ctx.deps.cite(_citation(one))
        shown.append(
            {
                "n": citation["n"],
                "document": citation["document"],
                "title": citation["title"],
                "page": citation["page"],
                "text": _cut(one["parent"]["text"] or one["snippet"], PASSAGE_CHARACTERS),
            }
        )
        id = f"citation-{citation['n']}"
        chunks.append(DataChunk(type="data-citation", id=id, data=citation))
    value = {"results": shown, "notes": made["notes"]} if shown else "Nothing was found."
    return ToolReturn(return_value=value, metadata=chunks)


def _citation(result: dict[str, Any]) -> dict[str, Any]:
    document, parent = result["document"], result["parent"]
    return {
        "chunk": parent["id"],
        "document": document["id"],
        "title": document["name"],
        "page": parent["page"],
        "box": parent["box"],
        "image": parent["image"],
        "snippet": result["snippet"],
    }


@toolset.tool
async def read_document(ctx: RunContext[Reach], document: str, start: int = 0) -> dict[str, Any]:
    """Read the text of a document, from a position on.

    Args:
        document: The document's id, as search_documents gives it.
        start: Where to read on: the value of next_start of the last call.
    """
    made = await ctx.deps.get(f"/documents/{document}/chunks")
    text = "\n\n".join(_part(one) for one in made["parents"])
    end = min(len(text), start + ctx.deps.longest)
    shown: dict[str, Any] = {"text": text[start:end], "characters": len(text)}
    if end < len(text):
        shown["next_start"] = end
    return shown


def _part(parent: dict[str, Any]) -> str:
    page = parent["page"]
    return (f"(page {page}) " if page is not None else "") + (parent["text"] or "")


@toolset.tool
async def look_at_image(ctx: RunContext[Reach], n: int, question: str) -> str:
    """Ask about the picture of a search result.

    Args:
        n: The number of a result of search_documents that has a picture.
        question: What to find out about it.
    """
    found = next((one for one in ctx.deps.cited if one["n"] == n), None)
    if found is None or not found["image"]:
        having = [one["n"] for one in ctx.deps.cited if one["image"]]
        raise ModelRetry(f"Result {n} has no picture. Results with one: {having or 'none'}.")
    picture = await ctx.deps.service.get(found["image"])
    if not picture.is_success:
        raise ModelRetry(told(picture))
    kind = picture.headers.get("content-type", "image/png")
    url = BinaryContent(picture.content, media_type=kind).data_uri
    content = [
        {"type": "image_url", "image_url": {"url": url}},
        {"type": "text", "text": question},
    ]
    made = await ctx.deps.post(
        "/v1/chat/completions",
        {"model": "vision", "messages": [{"role": "user", "content": content}]},
    )
    return str(made["choices"][0]["message"]["content"])


@toolset.tool
async def list_jobs(ctx: RunContext[Reach]) -> Any:
    """The jobs that read documents: what they do, how far they are, what went wrong."""
    made = await ctx.deps.get("/jobs", limit=20)
    return _fitting(made["jobs"], ctx.deps.longest)


@toolset.tool
async def machine_status(ctx: RunContext[Reach]) -> dict[str, Any]:
    """Which models run on this machine, what they do, and how busy they are."""
    made = await ctx.deps.get("/status")
    wanted = ("state", "cause", "running", "waiting", "restarts", "device", "last_error")
    return {
        name: {key: engine[key] for key in wanted if engine.get(key) is not None}
        for name, engine in made["engines"].items()
    }


def _fitting(items: Sequence[Any], longest: int) -> dict[str, Any]:
    shown: list[Any] = []
    size = 0
    for item in items:
        size += len(json.dumps(item))
        if size > longest:
            break
        shown.append(item)
    left = len(items) - len(shown)
    return {"items": shown, **({"not_shown": left} if left else {})}


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
