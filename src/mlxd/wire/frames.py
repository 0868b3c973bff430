"""The frames that gateway and engine exchange, typed once.

Down (gateway to engine): Submit, Embed, Cancel, Drain, Stop.
Up (engine to gateway): Hello, Progress, Step, Embedded, Failed, Drained.

The engine never learns which HTTP dialect asked: a Submit says what to generate, and the Events
that come back say what was generated. Every Submit and Embed ends in exactly one of an Event with
`finish`, an Embedded, or a Failed with its id, unless it was cancelled.
"""

from enum import IntEnum
from typing import Any, Literal

import msgspec


class Priority(IntEnum):
    """Smaller goes first; a waiting batch request ages until it is as good as interactive."""

    INTERACTIVE = 0
    BATCH = 1


# --- what to generate from -------------------------------------------------------------------


class TextPart(msgspec.Struct, tag="text", frozen=True):
    text: str


class ImagePart(msgspec.Struct, tag="image", frozen=True):
    """An encoded image file. `where` is its place in the client's request, for error messages;
    `small`: a look at it in low resolution is enough."""

    data: bytes
    where: str = ""
    small: bool = False


Part = TextPart | ImagePart


class ToolCall(msgspec.Struct, frozen=True, omit_defaults=True):
    """A call that an earlier assistant message made; `arguments` is JSON text."""

    id: str
    name: str
    arguments: str


class Message(msgspec.Struct, frozen=True, omit_defaults=True):
    role: Literal["system", "user", "assistant", "tool"]
    content: list[Part] = []
    name: str | None = None
    reasoning: str | None = None
    tool_calls: list[ToolCall] = []
    tool_call_id: str | None = None


class Tool(msgspec.Struct, frozen=True, omit_defaults=True):
    name: str
    description: str = ""
    parameters: dict[str, Any] = {}
    strict: bool = False


class Chat(msgspec.Struct, tag="chat", frozen=True, omit_defaults=True):
    """Messages to be rendered by the model's own chat template.

    `tool_choice` is "auto", "none", "required", or "=NAME" for one named tool. "required" and a
    name are enforced by grammar; with "auto", the arguments of tools that are `strict` are, once
    the model has begun a call.
    """

    messages: list[Message]
    tools: list[Tool] = []
    tool_choice: str = "auto"
    parallel_tool_calls: bool = True
    template_kwargs: dict[str, Any] = {}


class Text(msgspec.Struct, tag="prompt", frozen=True):
    """A bare prompt, tokenised as it is."""

    text: str


class Tokens(msgspec.Struct, tag="tokens", frozen=True):
    """A prompt that the client tokenised itself; ids are checked against the vocabulary."""

    ids: list[int]


Input = Chat | Text | Tokens


class Sampling(msgspec.Struct, frozen=True, omit_defaults=True):
    """One row's own sampling. None means the model's default; temperature 0 is greedy."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    repetition_penalty: float = 1.0
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    logit_bias: dict[int, float] = {}
    seed: int | None = None


class Format(msgspec.Struct, frozen=True):
    """A constraint on the answer. `spec`: a JSON schema as text, a regex, or a Lark grammar;
    empty for `json_object`."""

    kind: Literal["json_object", "json_schema", "regex", "grammar"]
    spec: str = ""


# --- down ------------------------------------------------------------------------------------


class Submit(msgspec.Struct, tag="submit", frozen=True, omit_defaults=True):
    """One answer wanted. `resume` holds the tokens that an earlier engine already generated for
    it: they are not sent again, and generation goes on after them. A request without a seed gets
    one from the gateway, so that a resumed answer continues as the first engine would have.

    `max_tokens` None: as far as the context reaches. `logprobs` None: none, otherwise how many
    alternatives beside the chosen token.
    """

    id: int
    input: Input
    sampling: Sampling = Sampling()
    max_tokens: int | None = None
    stop: list[str] = []
    logprobs: int | None = None
    format: Format | None = None
    priority: Priority = Priority.INTERACTIVE
    resume: list[int] = []


class Embed(msgspec.Struct, tag="embed", frozen=True, omit_defaults=True):
    id: int
    inputs: list[Text | Tokens]
    priority: Priority = Priority.INTERACTIVE


class Cancel(msgspec.Struct, tag="cancel", frozen=True):
    id: int


class Drain(msgspec.Struct, tag="drain", frozen=True):
    """Finish what is there, take nothing new, answer Drained."""


class Stop(msgspec.Struct, tag="stop", frozen=True):
    """End now: running requests get no further events, memory is released, the process exits 0."""


Down = Submit | Embed | Cancel | Drain | Stop


# --- up --------------------------------------------------------------------------------------


class Hello(msgspec.Struct, tag="hello", frozen=True, omit_defaults=True):
    """Sent once, after this model generated its first token in this process: it is ready."""

    pid: int
    versions: dict[str, str]
    device: str
    architecture: str
    context: int
    vocabulary: int
    parameters: int
    bytes_per_token: int
    kv_budget: int
    capabilities: list[str]
    dtype: str
    load_seconds: float
    sampling_defaults: Sampling = Sampling()
    notes: list[str] = []


class Progress(msgspec.Struct, tag="progress", frozen=True, omit_defaults=True):
    """The heartbeat. It is sent by the thread that does the work, so it stops when the work does.

    `phase`: "loading", "warming", "idle", "prefilling", "decoding". `done` of `total` counts
    bytes while loading and prompt tokens while prefilling. `steps` only ever grows.

    So that a request can't be lost without a word: of the first `taken` Submits that came, `has`
    are those that the engine still works on or keeps, wherever it has them, and `rows` those of
    which each step makes a token. An engine that does not count leaves `taken` at 0.

    `pixels` are those that it looks at next, before it can say anything more.
    """

    phase: str
    done: int = 0
    total: int = 0
    steps: int = 0
    running: int = 0
    waiting: int = 0
    kv_bytes: int = 0
    prefix_bytes: int = 0
    memory: int = 0
    peak_memory: int = 0
    taken: int = 0
    has: list[int] = []
    rows: list[int] = []
    pixels: int = 0


class TokenLogprob(msgspec.Struct, frozen=True, array_like=True):
    """`bytes_` are the token's own bytes, also where it is only part of a character."""

    token: str
    logprob: float
    bytes_: bytes
    top: list["TokenLogprob"] = []


class CallDelta(msgspec.Struct, frozen=True, omit_defaults=True):
    """A piece of a tool call. The first piece of call `index` carries its name."""

    index: int
    name: str | None = None
    arguments: str = ""


class Usage(msgspec.Struct, frozen=True, array_like=True):
    prompt: int
    completion: int
    cached: int = 0
    reasoning: int = 0


Finish = Literal["stop", "length", "tool_calls"]

# Why an answer is empty or cut, where finish_reason alone would not tell.
Why = Literal[
    "", "end_of_sequence_first", "budget_in_reasoning", "budget_in_call", "stop_sequence_first",
    "grammar", "context",
]  # fmt: skip


class Event(msgspec.Struct, frozen=True, array_like=True):
    """What one step brought for one request. `tokens` are for resuming and counting; `text`,
    `reasoning` and `calls` are what the client may see, held back while a stop string or a
    marker could still complete.
    """

    id: int
    tokens: list[int] = []
    text: str = ""
    reasoning: str = ""
    calls: list[CallDelta] = []
    logprobs: list[TokenLogprob] = []
    finish: Finish | None = None
    why: Why = ""
    usage: Usage | None = None


class Step(msgspec.Struct, tag="step", frozen=True):
    events: list[Event]


class Embedded(msgspec.Struct, tag="embedded", frozen=True):
    """One vector an input, each as little-endian float32 bytes."""

    id: int
    vectors: list[bytes]
    prompt_tokens: int


Blame = Literal["client", "engine", "memory"]


class Failed(msgspec.Struct, tag="failed", frozen=True, omit_defaults=True):
    """A request ended in an error; with id 0 the engine itself did, and exits.

    `blame` "client": what was asked can't be served as asked, and `param` names where. "memory":
    it can't fit, `message` has the numbers. "engine": a defect or fault here; `message` is the
    original exception's, `traceback` goes to the log only.
    """

    id: int
    blame: Blame
    message: str
    param: str | None = None
    code: str | None = None
    traceback: str = ""


class Drained(msgspec.Struct, tag="drained", frozen=True):
    pass


Up = Hello | Progress | Step | Embedded | Failed | Drained
