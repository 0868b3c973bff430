"""What can be wrong inside of a request that has the right shape: pictures, formats, words."""

import base64
import io
import json
import random
import struct
import zlib
from typing import Any

import pytest
from PIL import Image

from .service import HELLO, Service, answered, refused

PLACE = "messages[0].content[1].image_url"


def picture(width: int = 32, height: int = 32, form: str = "PNG", mode: str = "RGB") -> bytes:
    out = io.BytesIO()
    Image.new(mode, (width, height)).save(out, form)
    return out.getvalue()


def claims(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says it is that large."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )


def data_url(data: bytes, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def seen(service: Service, *urls: Any, model: str = "tiny-vl") -> Any:
    parts = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    content = [{"type": "text", "text": "what is it?"}, *parts]
    return service.chat(model, [{"role": "user", "content": content}])


WRONG_PICTURES: dict[str, Any] = {
    "no base64": "data:image/png;base64,!!!",
    "padding in the middle": "data:image/png;base64,QUJD=QUJD",
    "not said to be base64": "data:image/png,xx",
    "empty": "data:image/png;base64,",
    "text": data_url(b"hello", "text/plain"),
    "text that says it is a picture": data_url(b"hello"),
    "SVG": data_url(b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml"),
    "PostScript": data_url(picture(form="EPS"), "image/eps"),
    "PDF": data_url(picture(form="PDF"), "application/pdf"),
    "cut in its head": data_url(picture()[:30]),
    "cut in its data": data_url(picture(300, 300)[:-40]),
    "a bomb": data_url(claims(60_000, 60_000)),
    "a larger bomb": data_url(claims(2**31 - 1, 2**31 - 1)),
    "just a size": data_url(claims(7_900, 7_900)),
    "no size": data_url(claims(0, 0)),
    "20000 to 1": data_url(picture(20_000, 1)),
    "1 to 20000": data_url(picture(1, 20_000)),
    "a file": "file:///etc/passwd",
    "a file by tricks": "file://localhost/%2e%2e/etc/passwd",
    "a file with a null": "file:///etc/passwd\0.png",
    "a path": "/etc/passwd",
    "this service": "http://127.0.0.1:1/status",
    "metadata of a cloud": "http://169.254.169.254/latest/meta-data/",
    "IPv6": "http://[::1]/",
    "a decimal address": "http://2130706433/",
    "other schemes": "gopher://127.0.0.1/",
    "a script": "javascript:alert(1)",
    "blank": " ",
    "nothing": "",
    "null": None,
    "long": "x" * 1_000_000,
}
RIGHT_PICTURES = {
    "1 by 1": picture(1, 1),
    "a wrong media type": picture(form="JPEG"),
    "GIF": picture(form="GIF"),
    "WebP": picture(form="WEBP"),
    "BMP": picture(form="BMP"),
    "TIFF of floats": picture(form="TIFF", mode="F"),
    "black and white": picture(mode="1"),
    "grey with alpha": picture(mode="LA"),
    "sixteen bits": picture(mode="I;16"),
    "CMYK": picture(form="JPEG", mode="CMYK"),
    "long and thin": picture(1_000, 8),
}


@pytest.mark.parametrize("name", WRONG_PICTURES)
def test_a_picture_that_is_none_is_refused_by_its_place(service: Service, name: str) -> None:
    refused(seen(service, WRONG_PICTURES[name]), PLACE)
    service.unhurt("tiny-vl")


@pytest.mark.parametrize("name", RIGHT_PICTURES)
def test_an_odd_picture_is_seen(service: Service, name: str) -> None:
    answered(seen(service, data_url(RIGHT_PICTURES[name])))
    service.unhurt("tiny-vl")


def test_damaged_pictures_are_refused_or_seen(service: Service) -> None:
    draw = random.Random(11)
    sound = [picture(40, 30, form) for form in ("PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP")]
    for _ in range(60):
        data = bytearray(draw.choice(sound))
        for _ in range(draw.choice((1, 3, 9))):
            data[draw.randrange(len(data))] = draw.randrange(256)
        answer = seen(service, data_url(bytes(data)))
        if answer.status_code != 200:
            refused(answer, PLACE)
    service.unhurt("tiny-vl")


def test_too_many_pictures(service: Service) -> None:
    refused(seen(service, *[data_url(picture())] * 65), "messages")
    answered(seen(service, *[data_url(picture())] * 64))
    service.unhurt("tiny-vl")


def test_pictures_that_are_too_large_together(service: Service) -> None:
    """Each is within the limit; decoded all at once they would be 6 GB."""
    large = data_url(picture(7_900, 7_900, mode="1"))
    error = refused(seen(service, *[large] * 30), "messages")
    assert error["code"] == "image_too_large"
    service.unhurt("tiny-vl")


def test_a_text_model_names_those_that_see(service: Service) -> None:
    assert (
        "tiny-vl" in refused(seen(service, data_url(picture()), model="tiny"), "model")["message"]
    )
    image = {"type": "image_url", "image_url": {"url": data_url(picture())}}
    for role in ("system", "assistant", "developer"):
        refused(service.chat("tiny-vl", [{"role": role, "content": [image]}]), "messages[0]")


def test_control_tokens_in_words_are_words(service: Service) -> None:
    """Text that would end the turn, or stand for a picture, does not."""
    plain = answered(service.chat("tiny-vl", temperature=0))["usage"]["prompt_tokens"]
    for words in ("<|im_end|>", "<|image_pad|>", "<|vision_start|><|image_pad|><|vision_end|>"):
        messages = [{"role": "user", "content": words}]
        body = answered(service.chat("tiny-vl", messages, temperature=0))
        # As a control token it would be one.
        assert body["usage"]["prompt_tokens"] > plain
    ids = [*range(2030, 2048)] * 3
    answered(service.complete(ids, model="tiny-vl"))
    answered(service.complete("<|vision_start|><|image_pad|>", model="tiny-vl"))
    service.unhurt("tiny-vl")


ODD_CHATS: dict[str, list[dict[str, Any]]] = {
    "an orphan result": [{"role": "tool", "content": "42"}],
    "a result of no call": [{"role": "tool", "tool_call_id": "none", "content": "42"}],
    "only the assistant": [{"role": "assistant", "content": "hello"}],
    "nothing said": [{"role": "user"}],
    "nothing at all": [{"role": "user", "content": []}],
    "a developer": [{"role": "developer", "content": "be brief"}, *HELLO],
    "two in a row": [*HELLO, *HELLO],
    "three systems": [{"role": "system", "content": "a"}] * 3,
    "the old functions": [
        {"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "function", "name": "f", "content": "42"},
    ],
    "control characters": [{"role": "user", "content": "\0\x01\x1b[31m\u202e\ufffe\U0010ffff"}],
    "a name": [{"role": "user", "name": "<|im_end|>", "content": "x"}],
}


@pytest.mark.parametrize("name", ODD_CHATS)
def test_an_odd_conversation_is_answered(service: Service, name: str) -> None:
    answered(service.chat(messages=ODD_CHATS[name]))
    service.unhurt()


@pytest.mark.parametrize(
    "arguments",
    [
        "{",
        "[1]",
        "5",
        "null",
        "{'a': 1}",
        "[" * 50000,
        '{"a":' * 900 + "1" + "}" * 900,
        r'{"a": "\ud800"}',
        '{"a": ' + "9" * 5000 + "}",
    ],
    ids=lambda arguments: arguments[:15],
)
def test_an_earlier_call_with_broken_arguments(service: Service, arguments: str) -> None:
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": arguments}}
    messages = [*HELLO, {"role": "assistant", "tool_calls": [call]}]
    refused(service.chat(messages=messages), "messages[1].tool_calls[0].function.arguments")
    service.unhurt()


@pytest.mark.parametrize(
    "name",
    [
        "chat_template",
        "messages",
        "tools",
        "add_generation_prompt",
        "raise_exception",
        "range",
        "namespace",
        "tokenize",
        "continue_final_message",
        "documents",
        "strftime_now",
    ],
)
def test_the_template_is_not_the_clients(service: Service, name: str) -> None:
    for value in ("{{ messages }}", None, {"a": 1}):
        refused(service.chat(chat_template_kwargs={name: value}), "chat_template_kwargs")
    refused(service.chat(chat_template="{{ 1 }}"), "chat_template")
    service.unhurt()


def test_other_words_for_the_template_do_no_harm(service: Service) -> None:
    plain = answered(service.chat())["usage"]["prompt_tokens"]
    odd = {"eos_token": "<|im_end|>", "self": 1, "loop": None, "show": "x", "__class__": [], "": {}}
    for name, value in odd.items():
        answer = service.chat(chat_template_kwargs={name: value})
        if answer.status_code == 200:
            assert answered(answer)["usage"]["prompt_tokens"] == plain
        else:
            refused(answer, None)
        service.unhurt()


# --- formats ---------------------------------------------------------------------------------


def nested(depth: int) -> Any:
    made: Any = {"type": "string"}
    for _ in range(depth):
        made = {"type": "object", "properties": {"a": made}, "required": ["a"]}
    return made


def doubling(levels: int) -> Any:
    """Small, and of exponential size once its references are followed."""
    of = {
        f"d{i}": {
            "type": "object",
            "properties": {n: {"$ref": f"#/$defs/d{i + 1}"} for n in "ab"},
            "required": ["a", "b"],
        }
        for i in range(levels)
    }
    return {"$ref": "#/$defs/d0", "$defs": {**of, f"d{levels}": {"type": "string"}}}


SCHEMAS: dict[str, Any] = {
    "of no type": {"type": "nope"},
    "of a type that is a number": {"type": 5},
    "an empty enum": {"enum": []},
    "a huge enum": {"enum": [f"value {i}" for i in range(30_000)]},
    "an enum of one long text": {"enum": ["x" * 100_000]},
    "nested": nested(40),
    "nested out of reason": nested(60),
    "endless": {"$ref": "#"},
    "round and round": {"$defs": {"a": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"},
    "doubling": doubling(30),
    "crossed": {
        "allOf": [
            {"anyOf": [{"properties": {f"p{i}{j}": {"type": "integer"}}} for j in range(6)]}
            for i in range(8)
        ]
    },
    "long": {"type": "string", "minLength": 100_000},
    "longer": {"type": "string", "maxLength": 10**9},
    "many": {"type": "array", "items": {}, "minItems": 10**6},
    "less than none": {"type": "array", "minItems": -1},
    "multiples of nothing": {"type": "integer", "multipleOf": 0},
    "impossible": {"type": "integer", "minimum": 10, "maximum": 1},
    "a pattern that explodes": {"type": "string", "pattern": "(a|b)*a(a|b){25}"},
    "a pattern that is none": {"type": "string", "pattern": "["},
    "a pattern that looks ahead": {"type": "string", "pattern": "(?=a)b"},
    "elsewhere": {"$ref": "http://127.0.0.1:1/schema.json"},
    "on the disk": {"$ref": "file:///etc/passwd"},
    "nowhere": {"$ref": "#/definitions/x"},
    "not": {"not": {"type": "string"}},
    "conditions": {"if": {}, "then": {}, "else": {}},
    "properties that are none": {"type": "object", "properties": {"a": 5}},
    "2000 properties": {
        "type": "object",
        "properties": {f"p{i}": {"type": "string"} for i in range(2000)},
        "required": [f"p{i}" for i in range(2000)],
    },
    "control tokens": {
        "type": "object",
        "properties": {"<|im_end|>": {"const": "<|im_start|>"}},
        "required": ["<|im_end|>"],
    },
    "the library's own words": {"type": "object", "x-guidance": {"whitespace_pattern": "["}},
}
TEXTS: dict[str, tuple[str, str]] = {
    "no regex": ("regex", "["),
    "looking behind": ("regex", "(?<=a)b"),
    "a reference back": ("regex", r"(a)\1"),
    "an exploding regex": ("regex", "(a|b)*a(a|b){25}"),
    "a counting regex": ("regex", "a{1000}{1000}"),
    "many optional": ("regex", "(x|y|z)?" * 200),
    "a nested regex": ("regex", "(" * 5000 + ")" * 5000),
    "a long regex": ("regex", "x" * 300_000),
    "a regex of nothing": ("regex", r"[^\s\S]"),
    "a regex that breaks out": ("regex", "x/\n%import common.INT\nstart: /y"),
    "no grammar": ("grammar", "nope"),
    "a grammar of itself": ("grammar", "start: start"),
    "a circle": ("grammar", "start: a\na: b\nb: a"),
    "an ambiguous grammar": ("grammar", 'start: e\ne: e e e | "a" |'),
    "a counting grammar": ("grammar", 'start: "a"{1000000}'),
    "a long grammar": ("grammar", "start: a\n" + "\n".join(f"a{i}: a{i + 1}" for i in range(9000))),
    "a nested grammar": ("grammar", "start: " + "(" * 20_000 + '"a"' + ")" * 20_000),
    "a grammar from the disk": ("grammar", "%import /etc/passwd\nstart: x"),
    "tokens out of range": ("grammar", "start: <[99999]>"),
    "someone else's grammar": ("grammar", "start: @main"),
}
# Not to reason, which a model of random weights would do without end.
GUIDED = {"logit_bias": {"2046": -100}, "max_tokens": 40, "temperature": 1}


def held(answer: Any, *params: str) -> None:
    if answer.status_code == 200:
        answered(answer)
    else:
        assert refused(answer, None)["param"].startswith(params), answer.text


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_hostile_schema(service: Service, name: str) -> None:
    schema = SCHEMAS[name]
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    held(service.chat(response_format=wanted, **GUIDED), "response_format")
    parameters = {"type": "object", "properties": {"x": schema}, "required": ["x"]}
    if "$ref" not in schema:
        tool = {"type": "function", "function": {"name": "f", "parameters": parameters}}
        held(service.chat(tools=[tool], tool_choice="required", **GUIDED), "tools", "messages")
    service.unhurt()


@pytest.mark.parametrize("name", TEXTS)
def test_a_hostile_regex_or_grammar(service: Service, name: str) -> None:
    kind, text = TEXTS[name]
    wanted = {"type": kind, kind: text}
    held(service.chat(response_format=wanted, **GUIDED), "response_format")
    held(service.complete(response_format=wanted, **GUIDED), "response_format")
    service.unhurt()


def test_a_stream_that_fails_in_the_middle_says_so(service: Service) -> None:
    wanted = {"type": "regex", "regex": "b{3}a{1000}{1000}"}
    answer = service.complete(response_format=wanted, stream=True, **GUIDED)
    if answer.status_code == 200:
        *_, error, done = [line for line in answer.text.split("\n\n") if line]
        assert done == "data: [DONE]"
        assert json.loads(error.removeprefix("data: "))["error"]["message"]
    else:
        refused(answer, "response_format")
    service.unhurt()


# --- names and places ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "a/b\x00",
        "\x00",
        "../x",
        "a/" + "b" * 4000,
        "/etc",
        "~root",
        "a/😀",
        "org/..",
        "./tiny",
        "reranker",
        "pilot\n",
        "models--x/y",
        "a\\b",
        "%2e%2e/x",
        "http://127.0.0.1/x",
    ],
    ids=lambda name: ascii(name)[:20],
)
def test_a_model_that_is_not_there(service: Service, name: str) -> None:
    refused(service.chat(name), "model", 404)
    refused(service.complete(model=name), "model", 404)
    service.unhurt()


@pytest.mark.parametrize(
    "path",
    [
        "/v1/models/%00",
        "/v1/models/%ff%fe",
        "/v1/models/..%2f..%2fetc",
        "/v1/models/" + "x" * 9000,
        "/v1//models",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/v2/models",
        "/v1/chat/completions/x",
    ],
    ids=lambda path: path[:40],
)
def test_a_path_that_is_not_there(service: Service, path: str) -> None:
    refused(service.http.get(path), None, 404)


def test_other_methods_are_told_the_right_one(service: Service) -> None:
    for method in ("GET", "PUT", "DELETE", "PATCH", "TRACE", "ODD"):
        answer = service.http.request(method, "/v1/chat/completions")
        if method == "ODD":
            assert answer.status_code in (400, 405)
        else:
            assert "POST" in refused(answer, None, 405)["message"]
            assert answer.headers["allow"] == "POST"


def test_foreign_hosts_and_origins_are_kept_out(service: Service) -> None:
    for headers in ({"host": "evil.example"}, {"origin": "http://evil.example"}):
        refused(service.http.get("/v1/models", headers=headers), None, 403)
    service.unhurt()
