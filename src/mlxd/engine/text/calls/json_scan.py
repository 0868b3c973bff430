"""Follows a JSON value that comes in pieces, passing on text that will parse once it is whole."""

import json
import re

_PLAIN = re.compile(r'[^"\\\x00-\x1f]*')
_BLANK = re.compile(r"[ \t\r\n]*")
_WORD_CHAR = re.compile(r"[-+.0-9A-Za-z]")
_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?")
# Models that learnt from Python write its words into JSON.
_WORDS = {"true": "true", "false": "false", "null": "null",
          "True": "true", "False": "false", "None": "null"}  # fmt: skip
# Deeper than any schema; client libraries give up at about this depth.
MAX_DEPTH = 200
# Digits of a number; more than any client's JSON reader keeps.
MAX_WORD = 400


class NotACall(Exception):
    """The text is not what the format wants here."""


class JsonScan:
    """One value. `feed` returns what may be passed on and where reading stopped; where the text
    is `broken` it stops before the fault, with nothing held back."""

    __slots__ = ("_escape", "_stack", "_want", "_word", "broken", "done")

    def __init__(self) -> None:
        self._stack: list[str] = []
        self._want = "value"
        self._escape = ""
        self._word = ""
        self.done = self.broken = False

    def feed(self, text: str, at: int) -> tuple[str, int]:
        out: list[str] = []
        end = len(text)
        try:
            while at < end and not self.done:
                if self._want in ("key text", "text"):
                    at = self._string(text, at, out)
                elif self._want == "word":
                    at = self._read_word(text, at, out)
                else:
                    at = self._structure(text, at, out)
        except NotACall:
            self.broken = True
            out.append(self._escape + self._word)
        return "".join(out), at

    def _string(self, text: str, at: int, out: list[str]) -> int:
        if self._escape:
            return self._read_escape(text, at, out)
        match = _PLAIN.match(text, at)
        assert match is not None  # the pattern matches nothing, too
        out.append(match[0])
        at = match.end()
        if at == len(text):
            return at
        char = text[at]
        if char == '"':
            out.append(char)
            if self._want == "key text":
                self._want = "colon"
            else:
                self._value_ended()
        elif char == "\\":
            self._escape = char
        else:  # a raw control character: legal to mean, not to write
            out.append(json.dumps(char)[1:-1])
        return at + 1

    def _read_escape(self, text: str, at: int, out: list[str]) -> int:
        escape = self._escape + text[at]
        if len(escape) == 2 and escape[1] != "u":
            out.append(escape if escape[1] in '"\\/bfnrt' else "\\" + json.dumps(escape)[2:-1])
            self._escape = ""
        elif len(escape) > 2 and text[at] not in "0123456789abcdefABCDEF":
            raise NotACall
        elif len(escape) == 6:
            out.append(escape)
            self._escape = ""
        else:
            self._escape = escape
        return at + 1

    def _read_word(self, text: str, at: int, out: list[str]) -> int:
        if _WORD_CHAR.match(text, at):
            if len(self._word) == MAX_WORD:
                raise NotACall
            self._word += text[at]
            return at + 1
        word = _WORDS.get(self._word, self._word)
        if word not in _WORDS and not _NUMBER.fullmatch(word):
            raise NotACall
        out.append(word)
        self._word = ""
        self._value_ended()
        return at

    def _structure(self, text: str, at: int, out: list[str]) -> int:
        match = _BLANK.match(text, at)
        assert match is not None  # the pattern matches nothing, too
        if match[0]:
            out.append(match[0])
            return match.end()
        char, want = text[at], self._want
        if want.startswith("value"):
            if char == "]" and want == "value or end":
                self._close(char)
            elif char == '"':
                self._want = "text"
            elif char in "{[":
                self._open(char)
            else:
                if not _WORD_CHAR.match(char):
                    raise NotACall
                self._want = "word"
                return at
        elif want.startswith("key") and char == '"':
            self._want = "key text"
        elif want == "key or end" and char == "}":
            self._close(char)
        elif want == "colon" and char == ":":
            self._want = "value"
        elif want == "comma" and char == ",":
            self._want = "key" if self._stack[-1] == "{" else "value"
        elif want == "comma" and char in "}]":
            self._close(char)
        else:
            raise NotACall
        out.append(char)
        return at + 1

    def _open(self, char: str) -> None:
        if len(self._stack) >= MAX_DEPTH:
            raise NotACall
        self._stack.append(char)
        self._want = "key or end" if char == "{" else "value or end"

    def _close(self, char: str) -> None:
        if self._stack.pop() + char not in ("{}", "[]"):
            raise NotACall
        self._value_ended()

    def _value_ended(self) -> None:
        self._want = "comma"
        self.done = not self._stack
