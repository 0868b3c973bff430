"""Which tokens may come next, where a request asks for a format or a call.

A model that reasons may do so first: the grammar begins where the reasoning ends.
"""

import json
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import llguidance
import msgspec
import numpy as np
from numpy.typing import NDArray

from mlxd import wire

from . import schema
from .style import PLAIN, Style
from .tokenizer import Tokenizer
from .trial import TOO_COMPLEX, Trial
from .vocabulary import Vocabulary

# One blank, or a line break with its indentation: enough for any layout, and it ends.
WHITESPACE = r" |\n( {0,24}|\t{0,8})"
# The longest grammar that anyone has a use for; compiling grows with it.
MAX_SPEC = 256 * 1024
# Of what the compiler says, which repeats patterns of any length.
MOST_TOLD = 400
# Compiled grammars that are kept, because agents send the same tools again and again.
KEPT = 32

# A second at the worst to compile (`trial`), some 20 ms at the worst for a step, 50 MB of states.
LIMITS: dict[str, Any] = {
    "initial_lexer_fuel": 1_000_000,
    "step_lexer_fuel": 50_000,
    "step_max_items": 10_000,
    "max_lexer_states": 50_000,
    "max_grammar_size": 200_000,
    "verbose_errors": False,
}
# What following a grammar may cost the step thread, in processor time. Everyday grammars take a
# tenth of a millisecond a token; one that takes more than these holds up everybody's streams.
ALLOWANCE_SECONDS = 0.3
ALLOWANCE_SECONDS_PER_TOKEN = 0.005
# What is above a millisecond a step counts against what all grammars of an engine may take.
USUAL_SECONDS = 0.001
PURSE_SECONDS = 0.3
PURSE_SECONDS_PER_SECOND = 0.2
# Where that is used up, those end that had more of it than an everyday grammar ever needs.
FAIR_SECONDS = 0.05

ANY_ARGUMENTS = {"type": "object", "additionalProperties": True}

# How the compiler says that it ran into one of its limits.
_COMPLEX = re.compile(
    r"(?<!end )too (complex|long|large|many)|computation failed|items; max is", re.I
)


class InvalidGrammar(ValueError):
    """What the client asked the answer to look like can't be enforced."""

    def __init__(self, param: str, message: str) -> None:
        super().__init__(message)
        self.param = param
        self.code = "grammar_too_complex" if _COMPLEX.search(message) else None


class GrammarFault(RuntimeError):
    """A grammar grew too complex while it was being followed, or was led where it can't go."""

    code = "grammar_too_complex"

    def __init__(self, param: str, error: str) -> None:
        reason = error.strip().partition("\n")[0] or "unknown reason"
        super().__init__(
            "What the answer has to look like can't be followed any further, because it became "
            f"too complex or led nowhere: {reason}"
        )
        self.param = param


class Purse:
    """The processor time that all grammars of one engine share, beyond what is usual for a step.

    Each alone stays within its own bounds, but sixteen of them, and new ones after them, would
    leave the streams beside them nothing. Used by the step thread alone.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._left = PURSE_SECONDS
        self._at = clock()

    @property
    def left(self) -> float:
        now = self._clock()
        earned = (now - self._at) * PURSE_SECONDS_PER_SECOND
        self._left, self._at = min(PURSE_SECONDS, self._left + earned), now
        return self._left

    def pay(self, seconds: float) -> bool:
        """False when it is overdrawn."""
        self._left = self.left - seconds
        return self._left >= 0


class Matcher:
    """Where one answer stands in its grammar. `param`: where the request asked for it."""

    def __init__(
        self, matcher: Any, vocabulary: int, param: str = "response_format", *, purse: Purse
    ) -> None:
        self._matcher = matcher
        self._words = (vocabulary + 31) // 32
        self._param = param
        self._allowance = ALLOWANCE_SECONDS
        self._purse = purse
        self._unusual = self._spent = 0.0

    def mask(self) -> NDArray[np.uint32] | None:
        """One bit a token, lowest first: which may come next. None: any. Ids that the tokenizer
        does not have are never allowed."""
        mask = np.zeros(self._words, dtype=np.uint32)
        began = time.thread_time()
        self._matcher.unsafe_compute_mask_ptr(mask.ctypes.data, mask.nbytes)
        self._spent += time.thread_time() - began
        if self._matcher.is_error():
            raise GrammarFault(self._param, self._matcher.get_error())
        self._settle()
        return mask

    def advance(self, token: int) -> None:
        began = time.thread_time()
        self._take(token)
        self._spent += time.thread_time() - began

    def resume(self, tokens: Sequence[int]) -> None:
        """Follow what an earlier engine made. It is not the step thread that takes the time."""
        for token in tokens:
            self._take(token)

    def _take(self, token: int) -> None:
        if not self._matcher.consume_token(token):
            raise GrammarFault(self._param, self._matcher.get_error())

    def _settle(self) -> None:
        """Pay for a step: for the last token, and for the mask of the next."""
        spent, self._spent = self._spent, 0.0
        self._allowance += ALLOWANCE_SECONDS_PER_TOKEN - spent
        unusual = max(0.0, spent - USUAL_SECONDS)
        self._unusual += unusual
        if self._allowance < 0:
            raise GrammarFault(self._param, "its steps take too long")
        if unusual and not self._purse.pay(unusual) and self._unusual > FAIR_SECONDS:
            raise GrammarFault(self._param, "its steps, and those of others, take too long")

    @property
    def must_wait(self) -> bool:
        """Grammars have had their share of the time: no other one should begin now."""
        return self._purse.left < 0

    @property
    def finished(self) -> bool:
        """Nothing may follow but the end of the answer."""
        return bool(self._matcher.is_stopped())

    def fork(self) -> "Matcher":
        return Matcher(self._matcher.deep_copy(), self._words * 32, self._param, purse=self._purse)

    def reset(self) -> None:
        self._matcher.reset()


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


class Grammars:
    """Makes a Matcher for each request that needs one. Safe to use from several threads."""

    def __init__(self, tokenizer: Tokenizer, style: Style) -> None:
        self._tokenizer = tokenizer
        self._style = style
        markers = {tokenizer.token_id(marker) for marker in style.markers}
        self._control = [
            token for token in tokenizer.added if token in tokenizer.specials or token in markers
        ]
        texts = sorted((tokenizer.added[token] for token in self._control), key=len, reverse=True)
        self._split = re.compile("(" + ("|".join(map(re.escape, texts)) or "(?!)") + ")")
        self._vocabulary: Any = None
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, Any] = OrderedDict()
        self._purse = Purse()
        special = sorted({*self._control, *tokenizer.eos_ids})
        self._trial = Trial(tokenizer.vocabulary, special, LIMITS)

    def close(self) -> None:
        self._trial.close()

    def warm(self) -> None:
        """Make what all grammars need, so that the first one finds it there."""
        self._tokens()

    def for_request(self, submit: wire.Submit, prompt: str = "") -> Matcher | None:
        """`prompt`: the rendered prompt, which tells whether reasoning has begun already."""
        chat = submit.input if isinstance(submit.input, wire.Chat) else None
        style = self._style if chat is not None else PLAIN
        composer = _Composer(self._literal, style)
        must_call = (
            chat is not None and bool(chat.tools) and chat.tool_choice not in ("auto", "none")
        )
        may_call = chat is not None and bool(chat.tools) and chat.tool_choice == "auto"
        if chat is not None and must_call:
            body = composer.calls(chat)
        elif submit.format is not None:
            body = composer.answer(submit.format)
            if chat is not None and may_call:
                body = f"({body}) | ({composer.calls(chat)})"
        elif chat is not None and may_call and any(tool.strict for tool in chat.tools):
            held = composer.strict_calls(chat)
            if held is None:
                return None
            body = held
        else:
            return None
        source = composer.grammar(body, prompt)
        try:
            compiled = self._compiled(source, composer.param)
        except InvalidGrammar:
            if submit.format is not None and chat is not None and may_call:
                # Refused together: it may be the format alone, which is then what is named.
                alone = msgspec.structs.replace(chat, tools=[])
                self.for_request(msgspec.structs.replace(submit, input=alone), prompt)
            raise
        return Matcher(compiled, self._tokenizer.vocabulary, composer.param, purse=self._purse)

    def _literal(self, text: str) -> str:
        """A text in the grammar, with its control tokens as the tokens they are."""
        parts = (part for part in self._split.split(text) if part)
        return " ".join(
            f"<[{self._tokenizer.token_id(part)}]>"
            if self._split.fullmatch(part)
            else _quoted(part)
            for part in parts
        )

    def _compiled(self, source: str, param: str) -> Any:
        with self._lock:
            if (known := self._kept.get(source)) is not None:
                self._kept.move_to_end(source)
                return known.deep_copy()
        if len(source) > MAX_SPEC:
            raise _too_long(param, source)
        if complaint := self._trial.complaint(source):
            raise InvalidGrammar(param, _reason(complaint))
        known = llguidance.LLMatcher(
            self._tokens(), source, limits=llguidance.LLParserLimits(**LIMITS), log_level=0
        )
        known.compute_bitmask()  # some grammars show only here that they lead nowhere
        if known.is_error():
            raise InvalidGrammar(param, _reason(known.get_error()))
        with self._lock:
            self._kept[source] = known
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
            return known.deep_copy()

    def _tokens(self) -> Any:
        with self._lock:
            if self._vocabulary is None:
                vocabulary = Vocabulary(self._tokenizer, self._control)
                # In two parts, because each lets no other thread run.
                plain = llguidance.LLTokenizer(
                    llguidance.TokenizerWrapper(vocabulary),
                    n_vocab=self._tokenizer.vocabulary,
                    eos_token=sorted(self._tokenizer.eos_ids) or None,
                    slices=[],
                )
                slices = llguidance.LLTokenizer.general_slices()
                self._vocabulary = plain.with_slices(slices)
            return self._vocabulary


def _reason(error: str) -> str:
    """The first line of a compiler's complaint, without its place in a grammar nobody wrote."""
    lines = error.strip().splitlines() or ["unknown reason"]
    line = lines[0]
    if line.endswith("regex parse error:"):  # what is wrong comes after a drawing of the place
        line += next((told[6:] for told in lines if told.startswith("error:")), "")
    line = re.sub(r"^(at )?\d+\(\d+\): ", "", line)
    line = re.sub(r"^failed to compile JSON schema: ", "", line)
    line = line.replace("NoExtensionBias", "nothing can satisfy it")
    line = re.sub(r"; following special tokens are available: .*", "", line)
    line = line.replace("Unimplemented keys:", "these keywords can't be enforced:")
    if _COMPLEX.search(line) and line != TOO_COMPLEX:
        line = f"it is too complex: {line}"
    if len(line) > MOST_TOLD:
        line = f"{line[: MOST_TOLD // 2]} … {line[-MOST_TOLD // 2 :]}"
    return f"The schema or grammar can't be used: {line}"


def _too_long(param: str, source: str) -> InvalidGrammar:
    return InvalidGrammar(
        param, f"It is too long: {len(source)} characters, at most {MAX_SPEC} can be used"
    )


class _Composer:
    """Writes one request's grammar."""

    def __init__(self, literal: Any, style: Style) -> None:
        self._literal = literal
        self._style = style
        self._rules: list[str] = []
        self._named: list[dict[str, Any]] = []
        self.param = "response_format"

    def grammar(self, body: str, prompt: str) -> str:
        lark = "\n".join([f"start: {self._reasoning(prompt)}body", f"body: {body}", *self._rules])
        main = {"name": "main", "lark_grammar": lark}
        return json.dumps({"grammars": [main, *self._named]}, ensure_ascii=False)

    def _reasoning(self, prompt: str) -> str:
        style = self._style
        if style.calls is not None and style.calls.name == "harmony":
            self._rules.append(r"THOUGHT: /(?s:.*)/")
            begin = self._literal("<|channel|>analysis<|message|>")
            return f"({begin} THOUGHT {self._literal('<|end|><|start|>assistant')})? "
        if style.think is None or prompt.rstrip().endswith(style.think[1]):
            return ""
        begin, end = style.think
        if (marker := self._literal(end)).startswith("<["):
            self._rules.append(r"THOUGHT: /(?s:.*)/")
            thought = f"THOUGHT {marker}"
        else:  # the lazy rule ends at the first place where the marker is spelt out
            self._rules.append(f"thought[suffix={marker}]: /(?s:.*)/")
            thought = "thought"
        self._rules.append(r"GAP: /\n{0,2}/")
        if style.opened_by(prompt):
            return f"{thought} GAP "
        return f"({self._literal(begin)} {thought} GAP)? "

    def answer(self, wanted: wire.Format) -> str:
        if len(wanted.spec) > MAX_SPEC:
            raise _too_long(self.param, wanted.spec)
        harmony = self._style.calls is not None and self._style.calls.name == "harmony"
        head = self._literal("<|channel|>final<|message|>") + " " if harmony else ""
        match wanted.kind:
            case "json_object":
                self._json("answer", {"type": "object"}, self.param)
            case "json_schema":
                try:
                    wanted_schema = json.loads(wanted.spec)
                except (ValueError, RecursionError) as error:
                    raise InvalidGrammar(self.param, f"The schema is not JSON: {error}") from error
                self._json("answer", wanted_schema, self.param)
            case "regex":
                self.param = "regex"
                spelt = llguidance.regex_to_lark(wanted.spec)
                self._named.append({"name": "answer", "lark_grammar": f"start: /{spelt}/"})
                return head + "@answer"
            case "grammar":
                self.param = "grammar"
                self._named.append({"name": "answer", "lark_grammar": wanted.spec})
                return head + "@answer"
        return head + "answer"

    def _json(self, rule: str, wanted: Any, param: str) -> None:
        try:
            ready = schema.prepared(wanted)
        except schema.Unenforceable as error:
            raise InvalidGrammar(param, f"The schema can't be used: {error}") from error
        if ready is True:
            ready = {}
        if isinstance(ready, dict):
            ready = {**ready, "x-guidance": {"whitespace_pattern": WHITESPACE}}
        self._rules.append(f"{rule}: %json {schema.text_of(ready)}")

    def calls(self, chat: wire.Chat) -> str:
        style = self._style.calls
        assert style is not None  # a style of chats always knows a format
        self.param = "tools"
        tools = chat.tools
        if chat.tool_choice.startswith("="):
            self.param = "tool_choice"
            tools = [tool for tool in tools if tool.name == chat.tool_choice[1:]]
            if not tools:
                raise InvalidGrammar(self.param, f"There is no tool named {chat.tool_choice[1:]!r}")
        return self._calls(chat, tools)

    def strict_calls(self, chat: wire.Chat) -> str | None:
        """Any answer; but where a call begins, the tool is one of the request's, and the arguments
        of strict tools are held to their schemas. None where the model doesn't begin its calls with
        a control token or doesn't write JSON: text and calls can't be told apart beforehand, or it
        would have to write what it was not trained to."""
        style = self._style.calls
        assert style is not None
        opening = self._literal(style.envelope.first or style.envelope.head)
        if not style.envelope.native or style.name == "harmony" or not opening.startswith("<["):
            return None
        free = [
            tool if tool.strict else msgspec.structs.replace(tool, parameters=ANY_ARGUMENTS)
            for tool in chat.tools
        ]
        self.param = "tools"
        self._rules.append(r"FREE: /(?s:.*)/")
        return f"FREE | FREE {self._calls(chat, free)}"

    def _calls(self, chat: wire.Chat, tools: list[wire.Tool]) -> str:
        style = self._style.calls
        assert style is not None
        envelope = style.envelope
        options = [self._call(tool, place, envelope) for place, tool in enumerate(tools)]
        self._rules.append(f"call: {' | '.join(options)}")
        more = f"({self._literal(envelope.between)} call)*"
        many = chat.parallel_tool_calls and style.name != "harmony"
        first, last = self._literal(envelope.first), self._literal(envelope.last)
        return f"{first} call {more if many else ''} {last}".strip()

    def _call(self, tool: wire.Tool, place: int, envelope: Any) -> str:
        head = self._literal(envelope.head + tool.name + envelope.middle)
        try:
            wanted = schema.arguments(tool.parameters)
        except schema.Unenforceable as error:
            raise InvalidGrammar(f"tools.{place}", f"The schema can't be used: {error}") from error
        if wanted is None:
            return f"{head} {_quoted('{}')} {self._literal(envelope.tail)}"
        wanted = {**wanted, "x-guidance": {"whitespace_pattern": WHITESPACE}}
        self._rules.append(f"arguments_{place}: %json {schema.text_of(wanted)}")
        return f"{head} arguments_{place} {self._literal(envelope.tail)}"
