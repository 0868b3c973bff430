"""Many clients at once: each gets what it would get alone, whoever leaves beside it."""

import json
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.processes import PATIENCE_S

from .service import Service, answered

CLIENTS = 12
WORDS = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta")


def bodies(count: int, draw: random.Random) -> list[dict[str, Any]]:
    """Greedy, seeded and held to a format; short prompts and long."""
    made: list[dict[str, Any]] = []
    for i in range(count):
        words = " ".join(draw.choices(WORDS, k=draw.choice((3, 20, 150))))
        body: dict[str, Any] = {
            "model": "tiny",
            "messages": [{"role": "user", "content": f"{i}: {words}"}],
            "max_tokens": draw.choice((5, 30, 60)),
            "temperature": 0,
        }
        match i % 4:
            case 1:
                body |= {"temperature": 1.2, "seed": i, "top_p": 0.9}
            case 2:
                body |= {"response_format": {"type": "regex", "regex": "[a-f]{4}-[0-9]{4}"}}
                body |= {"logit_bias": {"2046": -100}, "max_tokens": 30}
            case 3:
                body |= {"stop": ["e", "a"], "logprobs": True, "top_logprobs": 1}
        made.append(body)
    return made


def whole(service: Service, body: dict[str, Any]) -> tuple[str, str, int]:
    answer = answered(service.post(body))
    choice = answer["choices"][0]
    completion = answer["usage"]["completion_tokens"]
    return choice["message"]["content"], choice["finish_reason"], completion


def streamed(
    service: Service, body: dict[str, Any], leave_after: int | None = None
) -> tuple[str, str, int] | None:
    body = {**body, "stream": True, "stream_options": {"include_usage": True}}
    said, finish, completion, seen = "", "", 0, 0
    with service.http.stream("POST", "/v1/chat/completions", json=body) as response:
        assert response.status_code == 200
        for line in response.iter_lines():
            if line == "data: [DONE]":
                break
            if not line.startswith("data: "):
                continue
            chunk = json.loads(line[6:])
            assert "error" not in chunk, chunk
            for choice in chunk["choices"]:
                said += choice["delta"].get("content") or ""
                finish = choice["finish_reason"] or finish
            if chunk["usage"]:
                completion = chunk["usage"]["completion_tokens"]
            seen += 1
            if leave_after is not None and seen > leave_after:
                return None
    return said, finish, completion


@pytest.mark.parametrize("seed", [1, 2])
def test_answers_are_those_that_each_would_get_alone(service: Service, seed: int) -> None:
    draw = random.Random(seed)
    asked = bodies(CLIENTS, draw)
    alone = [whole(service, body) for body in asked]
    assert [streamed(service, body) for body in asked] == alone
    leaving = {*draw.sample(range(2 * CLIENTS), 2 * CLIENTS // 5)}
    ready = threading.Barrier(CLIENTS)

    def client(number: int) -> list[tuple[str, str, int] | None]:
        body = asked[number]
        ready.wait(PATIENCE_S)
        first = streamed(service, body, draw.randrange(4) if number in leaving else None)
        then = None
        if number + CLIENTS in leaving:
            streamed(service, body, 1)
        else:
            then = whole(service, body)
        return [first, then]

    with ThreadPoolExecutor(CLIENTS) as pool:
        answers = list(pool.map(client, range(CLIENTS)))
    for number, pair in enumerate(answers):
        for answer in pair:
            assert answer in (None, alone[number]), asked[number]
    kept = sum(answer is not None for pair in answers for answer in pair)
    assert kept >= CLIENTS
    service.unhurt()


def test_a_prompt_that_is_refused_leaves_its_neighbours_alone(service: Service) -> None:
    good = {
        "model": "tiny",
        "messages": [{"role": "user", "content": "count"}],
        "max_tokens": 80,
        "temperature": 0,
    }
    alone = whole(service, good)
    bad = [
        {**good, "response_format": {"type": "grammar", "grammar": 'start: "a"{1000000}'}},
        {**good, "logit_bias": {"5000": 1}},
        {**good, "messages": [{"role": "user", "content": "word " * 30_000}]},
        {**good, "response_format": {"type": "regex", "regex": "a{1000}{1000}"}},
    ]
    with ThreadPoolExecutor(8) as pool:
        right = [pool.submit(whole, service, good) for _ in range(4)]
        wrong = [pool.submit(service.post, body) for body in bad]
        assert [answer.result() for answer in right] == [alone] * 4
        assert {answer.result().status_code for answer in wrong} <= {200, 400}
    service.unhurt()


def test_pictures_and_text_on_one_model(service: Service) -> None:
    """And both models at once."""
    import base64
    import io

    from PIL import Image

    def asked(shade: int) -> dict[str, Any]:
        out = io.BytesIO()
        Image.new("RGB", (64, 32), (shade, 0, 255 - shade)).save(out, "PNG")
        url = "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()
        parts = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": "?"}]
        messages = [{"role": "user", "content": parts if shade % 2 else f"shade {shade}"}]
        model = "tiny" if shade % 3 == 0 and not shade % 2 else "tiny-vl"
        return {"model": model, "messages": messages, "max_tokens": 20, "temperature": 0}

    wanted = [asked(shade) for shade in range(0, 250, 25)]
    alone = [whole(service, body) for body in wanted]
    with ThreadPoolExecutor(len(wanted)) as pool:
        assert list(pool.map(lambda body: whole(service, body), wanted)) == alone
    service.unhurt("tiny-vl")
