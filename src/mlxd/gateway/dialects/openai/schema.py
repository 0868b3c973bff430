"""What the OpenAI API takes and gives, as types. /openapi.json is made from them.

Every optional field may be null, which means the same as leaving it out.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

# Each choice is a row of its own in the engine's batch.
MAX_CHOICES = 32
MAX_PROMPTS = 256
# As many as OpenAI takes; clients that index send a thousand at a time.
MAX_INPUTS = 2048
MAX_STOPS = 16
# Generated text is searched for every stop string, and held back as long as one may still come.
MAX_STOP_LENGTH = 1024
MAX_TOP_LOGPROBS = 20
# What a 32-bit token count can hold; the engine cuts it to what the context has room for.
MAX_TOKENS = 2**31 - 1

# The longest that a folder's path can be.
ModelName = Annotated[str, Meta(min_length=1, max_length=4096)]
Count = Annotated[int, Meta(ge=1, le=MAX_TOKENS)]
Choices = Annotated[int, Meta(ge=1, le=MAX_CHOICES)]
Stop = Annotated[str, Meta(min_length=1, max_length=MAX_STOP_LENGTH)]
TokenId = Annotated[int, Meta(ge=0, le=2**31 - 1)]
FunctionName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.:/-]{1,128}$")]
LogitBias = dict[
    Annotated[str, Meta(pattern=r"^[0-9]{1,9}$")], Annotated[float, Meta(ge=-100, le=100)]
]


# --- messages in -----------------------------------------------------------------------------


class TextPart(Struct, tag_field="type", tag="text", frozen=True):
    text: str


class RefusalPart(Struct, tag_field="type", tag="refusal", frozen=True):
    refusal: str


class ImageUrl(Struct, frozen=True):
    """`url`: a data URL; http(s) and file URLs where the settings allow them. `detail`: `low` looks
    at 512 × 512 pixels at the most, which takes fewer tokens; otherwise as many as the model takes.
    """

    url: Annotated[str, Meta(min_length=1)]
    detail: Literal["auto", "low", "high"] | None = None


class ImagePart(Struct, tag_field="type", tag="image_url", frozen=True):
    image_url: ImageUrl | str


Part = TextPart | RefusalPart | ImagePart


class FunctionCall(Struct, frozen=True):
    name: str
    arguments: str


class ToolCall(Struct, frozen=True):
    id: str
    function: FunctionCall
    type: Literal["function"] = "function"


class ChatMessage(Struct, frozen=True):
    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[Part] | None = None
    name: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None
    function_call: FunctionCall | None = None


# --- tools and formats in --------------------------------------------------------------------


class Function(Struct, frozen=True):
    name: FunctionName
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class Tool(Struct, frozen=True):
    function: Function
    type: Literal["function"] = "function"


class ChosenFunction(Struct, frozen=True):
    name: str


class ChosenTool(Struct, tag_field="type", tag="function", frozen=True):
    function: ChosenFunction


class AllowedTool(Struct, frozen=True):
    function: ChosenFunction
    type: Literal["function"] = "function"


class AllowedToolList(Struct, frozen=True):
    tools: list[AllowedTool]
    mode: Literal["auto", "required"] = "auto"


class AllowedTools(Struct, tag_field="type", tag="allowed_tools", frozen=True):
    allowed_tools: AllowedToolList


class PlainFormat(Struct, tag_field="type", tag="text", frozen=True):
    pass


class JsonObjectFormat(Struct, tag_field="type", tag="json_object", frozen=True):
    pass


class JsonSchema(Struct, frozen=True):
    name: str | None = None
    description: str | None = None
    schema: dict[str, Any] | None = None
    strict: bool | None = None


class JsonSchemaFormat(Struct, tag_field="type", tag="json_schema", frozen=True):
    json_schema: JsonSchema


class RegexFormat(Struct, tag_field="type", tag="regex", frozen=True):
    """An extension: the whole answer matches this regular expression."""

    regex: Annotated[str, Meta(min_length=1)]


class GrammarFormat(Struct, tag_field="type", tag="grammar", frozen=True):
    """An extension: the whole answer follows this Lark grammar."""

    grammar: Annotated[str, Meta(min_length=1)]


ResponseFormat = PlainFormat | JsonObjectFormat | JsonSchemaFormat | RegexFormat | GrammarFormat


# --- requests --------------------------------------------------------------------------------


class StreamOptions(Struct, frozen=True):
    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class Generation(Struct, frozen=True, kw_only=True):
    """What chat and bare completions have in common."""

    model: ModelName
    max_tokens: Count | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_k: Annotated[int, Meta(ge=-1, le=2**31 - 1)] | None = None
    min_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    frequency_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    presence_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    # Much less and scores overflow: an answer of one token again and again, or none.
    repetition_penalty: Annotated[float, Meta(ge=0.01, le=10)] | None = None
    logit_bias: LogitBias | None = None
    seed: int | None = None
    stop: Stop | Annotated[list[Stop], Meta(max_length=MAX_STOPS)] | None = None
    n: Choices | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    user: str | None = None
    # "flex" is OpenAI's name for: slower, after the others. It is the batch priority here.
    service_tier: Literal["auto", "default", "priority", "flex"] | None = None
    response_format: ResponseFormat | None = None


class ChatRequest(Generation, frozen=True, kw_only=True):
    messages: Annotated[list[ChatMessage], Meta(min_length=1)]
    max_completion_tokens: Count | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=MAX_TOP_LOGPROBS)] | None = None
    tools: list[Tool] | None = None
    tool_choice: Literal["none", "auto", "required"] | ChosenTool | AllowedTools | None = None
    parallel_tool_calls: bool | None = None
    chat_template_kwargs: dict[str, Any] | None = None
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh"] | None = None
    modalities: Annotated[list[Literal["text", "audio"]], Meta(min_length=1)] | None = None
    verbosity: Literal["low", "medium", "high"] | None = None
    # With content, these two are refused: they are about answers that are kept.
    metadata: dict[str, Any] | None = None
    store: bool | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None
    # Known, but nothing here could honour them: anything but null is refused by name.
    audio: Any = None
    prediction: Any = None
    web_search_options: Any = None
    functions: Any = None
    function_call: Any = None
    chat_template: Any = None


class CompletionRequest(Generation, frozen=True, kw_only=True):
    prompt: str | list[str | TokenId | list[TokenId]]
    logprobs: Annotated[int, Meta(ge=0, le=MAX_TOP_LOGPROBS)] | None = None
    echo: bool | None = None
    suffix: str | None = None
    best_of: Choices | None = None


class EmbeddingRequest(Struct, frozen=True, kw_only=True):
    model: ModelName
    input: str | list[str | TokenId | list[TokenId]]
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Annotated[int, Meta(ge=1, le=2**16)] | None = None
    user: str | None = None
    service_tier: Literal["auto", "default", "priority", "flex"] | None = None


# --- answers ---------------------------------------------------------------------------------


class PromptDetails(Struct, frozen=True):
    cached_tokens: int = 0
    audio_tokens: int = 0


class CompletionDetails(Struct, frozen=True):
    reasoning_tokens: int = 0
    audio_tokens: int = 0
    accepted_prediction_tokens: int = 0
    rejected_prediction_tokens: int = 0


class Usage(Struct, frozen=True):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptDetails
    completion_tokens_details: CompletionDetails


class TopLogprob(Struct, frozen=True):
    token: str
    logprob: float
    bytes: list[int]


class TokenLogprob(Struct, frozen=True):
    token: str
    logprob: float
    bytes: list[int]
    top_logprobs: list[TopLogprob]


class ChoiceLogprobs(Struct):
    content: list[TokenLogprob]
    refusal: None = None


class FinishDetails(Struct, frozen=True):
    """An extension: why the answer is empty or cut, where finish_reason does not say it."""

    type: str
    message: str


Finish = Literal["stop", "length", "tool_calls"]
Unset = msgspec.UnsetType


class AnswerCall(Struct):
    id: str
    function: FunctionCall
    type: Literal["function"] = "function"


class AnswerMessage(Struct, kw_only=True):
    role: Literal["assistant"] = "assistant"
    content: str | None = None
    refusal: str | None = None
    annotations: list[Any] = []
    reasoning_content: str | Unset = msgspec.UNSET
    tool_calls: list[AnswerCall] | Unset = msgspec.UNSET


class ChatChoice(Struct, kw_only=True):
    index: int
    message: AnswerMessage
    logprobs: ChoiceLogprobs | None = None
    finish_reason: Finish
    finish_details: FinishDetails | Unset = msgspec.UNSET


class ChatCompletion(Struct, kw_only=True):
    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[ChatChoice]
    usage: Usage
    service_tier: str | Unset = msgspec.UNSET


class FunctionDelta(Struct):
    name: str | Unset = msgspec.UNSET
    arguments: str | Unset = msgspec.UNSET


class CallDelta(Struct):
    index: int
    id: str | Unset = msgspec.UNSET
    type: str | Unset = msgspec.UNSET
    function: FunctionDelta | Unset = msgspec.UNSET


class Delta(Struct):
    role: str | Unset = msgspec.UNSET
    content: str | Unset = msgspec.UNSET
    reasoning_content: str | Unset = msgspec.UNSET
    tool_calls: list[CallDelta] | Unset = msgspec.UNSET


class ChunkChoice(Struct):
    index: int
    delta: Delta
    logprobs: ChoiceLogprobs | None = None
    finish_reason: Finish | None = None
    finish_details: FinishDetails | Unset = msgspec.UNSET


class Chunk(Struct):
    id: str
    created: int
    model: str
    choices: list[ChunkChoice]
    object: str = "chat.completion.chunk"
    usage: Usage | Unset | None = msgspec.UNSET


class CompletionLogprobs(Struct):
    tokens: list[str]
    token_logprobs: list[float]
    top_logprobs: list[dict[str, float]]
    text_offset: list[int]


class CompletionChoice(Struct):
    index: int
    text: str
    logprobs: CompletionLogprobs | None = None
    finish_reason: Finish | None = None
    finish_details: FinishDetails | Unset = msgspec.UNSET


class Completion(Struct):
    """Whole, and each chunk of a stream: bare completions use the same object for both."""

    id: str
    created: int
    model: str
    choices: list[CompletionChoice]
    object: str = "text_completion"
    usage: Usage | Unset | None = msgspec.UNSET


class Embedding(Struct, frozen=True):
    index: int
    embedding: list[float] | str
    object: Literal["embedding"] = "embedding"


class EmbeddingUsage(Struct, frozen=True):
    prompt_tokens: int
    total_tokens: int


class EmbeddingList(Struct, frozen=True):
    data: list[Embedding]
    model: str
    usage: EmbeddingUsage
    object: Literal["list"] = "list"


class Model(Struct, frozen=True, kw_only=True):
    """`certificate`: what smoke has proved of it on this machine, and `stale`, why that does not
    hold any more. Null: nothing yet."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str
    aliases: list[str] = []
    capabilities: list[str] = []
    context_length: int | None = None
    state: str = ""
    path: str | None = None
    size_bytes: int | None = None
    detail: dict[str, Any] = {}
    certificate: dict[str, Any] | None = None


class ModelList(Struct, frozen=True):
    data: list[Model]
    object: Literal["list"] = "list"
