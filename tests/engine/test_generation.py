"""What an engine process answers: the same alone and in company, cold and from its cache."""

import random
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from tests.engine.harness import GREEDY, Engine, engine
from tests.processes import PATIENCE_S, left

from mlxd.wire import Drain, Priority, Sampling, Stop, Text, Tokens

DRAWN = Sampling(temperature=1.0, top_p=0.95)


def prompt(length: int, seed: int) -> list[int]:
    draw = random.Random(seed)
    return [draw.randrange(300, 2000) for _ in range(length)]


def drawn(seed: int) -> Sampling:
    return Sampling(temperature=1.0, top_k=50, top_p=0.95, seed=seed)


def test_hello_says_what_the_model_is(text_engine: Engine) -> None:
    hello = text_engine.hello
    assert hello is not None
    assert (hello.architecture, hello.vocabulary, hello.context) == ("qwen3", 2048, 40960)
    assert hello.pid == text_engine.process.pid
    assert {"text", "structured_output", "tool_use"} <= set(hello.capabilities)


def test_usage_and_finish_are_true(text_engine: Engine) -> None:
    answer = text_engine.ask(prompt(30, 1), max_tokens=7)
    assert (len(answer.tokens), answer.finish) == (7, "length")
    assert answer.usage is not None
    assert (answer.usage.prompt, answer.usage.completion) == (30, 7)


@pytest.mark.parametrize("sampling", [GREEDY, DRAWN])
def test_neighbours_do_not_change_an_answer(text_engine: Engine, sampling: Sampling) -> None:
    """Rows of other lengths, other settings and other seeds share the batch."""
    alone = text_engine.ask(prompt(21, 2), sampling=drawn(9), max_tokens=24).tokens
    mine = text_engine.submit(prompt(21, 2), sampling=drawn(9), max_tokens=24)
    others = [text_engine.submit(prompt(5 + 9 * i, i), sampling=sampling) for i in range(6)]
    text_engine.wait(mine, *others)
    assert text_engine.answers[mine].tokens == alone


def test_prompts_of_many_lengths_at_once_answer_as_they_do_alone(text_engine: Engine) -> None:
    prompts = [prompt(n, 100 + n) for n in (3, 4, 9, 17, 40, 41, 100, 300)]
    together = text_engine.wait(*[text_engine.submit(p) for p in prompts])
    for p, answer in zip(prompts, together, strict=True):
        # Others' fresh tokens in front keep the cache out of it.
        assert text_engine.ask(p).tokens == answer.tokens


def test_a_seed_fixes_the_answer_and_another_seed_changes_it(text_engine: Engine) -> None:
    def one(seed: int) -> list[int]:
        return text_engine.ask(prompt(12, 3), sampling=drawn(seed), max_tokens=16).tokens

    assert one(1) == one(1)
    assert one(1) != one(2)


def test_a_resumed_answer_goes_on_as_if_nothing_had_happened(text_engine: Engine) -> None:
    whole = text_engine.ask(prompt(15, 4), sampling=drawn(5), max_tokens=20)
    for cut in (1, 7, 19):
        rest = text_engine.ask(
            prompt(15, 4), sampling=drawn(5), max_tokens=20, resume=whole.tokens[:cut]
        )
        assert rest.tokens == whole.tokens[cut:]
        assert rest.usage is not None
        assert rest.usage.completion == 20


def test_penalties_survive_a_resume(text_engine: Engine) -> None:
    sampling = Sampling(
        temperature=0.8, seed=3, repetition_penalty=1.3, presence_penalty=0.5, frequency_penalty=0.2
    )
    whole = text_engine.ask(prompt(15, 5), sampling=sampling, max_tokens=20).tokens
    rest = text_engine.ask(prompt(15, 5), sampling=sampling, max_tokens=20, resume=whole[:9])
    assert rest.tokens == whole[9:]


def test_a_second_turn_prefills_only_what_is_new(text_engine: Engine) -> None:
    first = text_engine.ask(prompt(200, 6), max_tokens=10)
    turn = prompt(200, 6) + first.tokens + prompt(30, 7)
    second = text_engine.ask(turn)
    assert second.usage is not None
    assert second.usage.cached == 209  # all but the last token, which is fed to get logits
    with_cache = second.tokens
    cold = text_engine.ask([299, *turn[1:]])
    assert cold.usage is not None
    assert cold.usage.cached == 0
    assert text_engine.ask(turn).tokens == with_cache


def test_branches_of_one_conversation_do_not_disturb_each_other(text_engine: Engine) -> None:
    trunk, branches = prompt(60, 20), [prompt(20, 21 + i) for i in range(3)]
    cold = [text_engine.ask([300 + i, *trunk, *b]).tokens for i, b in enumerate(branches)]
    for _ in range(2):
        for i, b in enumerate(branches):
            warm = text_engine.ask([300 + i, *trunk, *b])
            assert warm.tokens == cold[i]
    shared = text_engine.ask(trunk + branches[0], max_tokens=40)
    for b in branches[1:]:
        text_engine.ask(trunk + b, max_tokens=40)
    again = text_engine.ask(trunk + branches[0], max_tokens=40)
    assert again.usage is not None
    assert again.usage.cached == 79
    assert again.tokens == shared.tokens


def test_logit_bias_bans_and_forces(text_engine: Engine) -> None:
    forced = text_engine.ask(
        prompt(9, 8), sampling=Sampling(temperature=0.0, logit_bias={777: 100})
    )
    assert set(forced.tokens) == {777}
    plain = text_engine.ask(prompt(9, 8)).tokens[0]
    banned = text_engine.ask(
        prompt(9, 8), sampling=Sampling(temperature=0.0, logit_bias={plain: -100})
    )
    assert plain not in banned.tokens[:1]


def test_logprobs_are_sorted_and_hold_the_chosen_token(text_engine: Engine) -> None:
    answer = text_engine.ask(prompt(9, 9), logprobs=5)
    assert len(answer.logprobs) == len(answer.tokens)
    for one in answer.logprobs:
        values = [t.logprob for t in one.top]
        assert values == sorted(values, reverse=True)
        assert one.logprob == pytest.approx(values[0], abs=1e-4)  # greedy takes the likeliest
        assert one.logprob <= 0


def test_a_stop_string_ends_the_generation_and_is_not_shown(text_engine: Engine) -> None:
    asked = prompt(14, 10)
    options = {"sampling": drawn(11), "max_tokens": 400}
    whole = text_engine.ask(asked, **options).text
    stop = whole[len(whole) // 2 : len(whole) // 2 + 3]
    answer = text_engine.ask(asked, **options, stop=[stop])
    assert answer.finish == "stop"
    assert answer.text == whole[: whole.index(stop)]
    assert answer.usage is not None
    assert answer.usage.completion < 400


def test_a_cancelled_request_frees_its_row_at_once(text_engine: Engine) -> None:
    request = text_engine.submit(prompt(8, 12), max_tokens=30_000)
    while not text_engine.answers[request].tokens:
        text_engine.receive()
    text_engine.cancel(request)
    idle = text_engine.until_idle()
    assert (idle.running, idle.waiting, idle.kv_bytes) == (0, 0, 0)
    assert not text_engine.answers[request].over


def test_answers_cut_off_at_any_moment_leave_nothing_wrong_in_the_cache(
    text_engine: Engine, text_model: Path
) -> None:
    """Each cut leaves its row's state for the next turn; it must be what its tokens say."""
    begun, warm = [], []
    for i in range(80):
        trunk = prompt(24, 400 + i)
        request = text_engine.submit(trunk, sampling=drawn(i), max_tokens=300)
        while len(text_engine.answers[request].tokens) <= i % 7:
            text_engine.receive()
        text_engine.cancel(request)
        begun.append(trunk + text_engine.answers[request].tokens)
        warm.append(text_engine.ask(begun[-1], max_tokens=4).tokens)
    with engine(text_model, prefix_bytes=0) as plain:
        assert [plain.ask(p, max_tokens=4).tokens for p in begun] == warm


def test_background_requests_do_not_keep_chat_waiting(text_model: Path) -> None:
    with engine(text_model, rows=2) as started:
        slow = [
            started.submit(prompt(50, i), max_tokens=3000, priority=Priority.BATCH)
            for i in range(4)
        ]
        while not started.answers[slow[0]].tokens:
            started.receive()
        started.ask(prompt(10, 99), max_tokens=3)
        assert not any(started.answers[r].over for r in slow)


@pytest.mark.parametrize(
    ("asked", "options", "param"),
    [
        (Tokens([]), {}, "prompt"),
        (Text(""), {}, "prompt"),
        (Tokens([5, 2048]), {}, "prompt"),
        (Tokens([-1]), {}, "prompt"),
        (Tokens([2**31 + 5]), {}, "prompt"),
        (Tokens([7] * 40960), {}, "prompt"),
        (Tokens([7]), {"sampling": Sampling(logit_bias={99_999_999: 5.0})}, "logit_bias"),
    ],
)
def test_what_cannot_be_served_is_refused_and_the_engine_goes_on(
    text_engine: Engine, asked: object, options: dict[str, object], param: str
) -> None:
    failed = text_engine.ask(asked, **options).failed
    assert failed is not None
    assert (failed.blame, failed.param) == ("client", param)
    assert text_engine.ask(prompt(4, 13), max_tokens=2).finish == "length"


def test_more_than_the_memory_set_aside_is_refused_with_the_numbers(text_model: Path) -> None:
    with engine(text_model, kv_bytes=512 * 1000) as started:  # 512 bytes a token
        failed = started.ask(prompt(900, 1), max_tokens=200).failed
        assert failed is not None
        assert "1100 tokens" in failed.message
        assert "1000" in failed.message
        both = [started.submit(prompt(400, i), max_tokens=300) for i in (2, 3)]
        assert [a.finish for a in started.wait(*both)] == ["length", "length"]


def test_answers_that_outgrow_the_memory_give_way_and_are_finished(text_model: Path) -> None:
    with engine(text_model, kv_bytes=512 * 2000, prefix_bytes=0) as started:
        asked = [prompt(50, 30 + i) for i in range(3)]
        endless = dict.fromkeys(range(2037, 2040), -100.0)

        def drawn(seed: int) -> Sampling:
            return Sampling(temperature=1.0, top_k=50, seed=seed, logit_bias=endless)

        alone = [started.ask(p, sampling=drawn(i), max_tokens=900) for i, p in enumerate(asked)]
        ids = [started.submit(p, sampling=drawn(i), max_tokens=None) for i, p in enumerate(asked)]
        together = started.wait(*ids)
        for one, other in zip(alone, together, strict=True):
            assert other.finish == "length"
            assert len(other.tokens) == 1950
            assert other.tokens[:900] == one.tokens


def test_an_answer_without_a_limit_ends_at_the_context_and_says_so(
    tmp_path: Path, text_model: Path
) -> None:
    import json
    import shutil

    short = shutil.copytree(text_model, tmp_path / "short")
    config = json.loads((short / "config.json").read_text())
    (short / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 64}))
    with engine(short) as started:
        answer = started.ask(prompt(20, 1), max_tokens=None)
        assert (len(answer.tokens), answer.finish, answer.why) == (44, "length", "context")


def test_drain_finishes_what_is_there_and_takes_nothing_new(text_model: Path) -> None:
    with engine(text_model) as started:
        running = started.submit(prompt(5, 1), max_tokens=300)
        started.send(Drain())
        late = started.submit(prompt(5, 2))
        started.wait(running, late)
        while not started.drained:
            started.receive()
        assert started.answers[running].finish == "length"
        assert started.answers[late].failed is not None
        started.send(Stop())
        assert started.process.wait(PATIENCE_S) == 0


def test_an_engine_without_a_gateway_ends_by_itself(text_model: Path) -> None:
    for moment in ("loading", "decoding"):
        started = Engine(text_model)
        if moment == "decoding":
            request = started.ready().submit(prompt(5, 1), max_tokens=30_000)
            while not started.answers[request].tokens:
                started.receive()
        else:
            started.receive()
        started.close()  # which waits for the end
        assert started.process.returncode == 0, moment


def test_a_damaged_model_is_never_called_ready(tmp_path: Path, text_model: Path) -> None:
    import shutil

    import mlx.core as mx

    damaged = shutil.copytree(text_model, tmp_path / "damaged")
    weights = mx.load(str(damaged / "model.safetensors"))
    assert isinstance(weights, dict)
    name = "model.layers.1.mlp.down_proj.weight"
    weights[name] = weights[name] * float("nan")
    mx.save_safetensors(str(damaged / "model.safetensors"), weights, {"format": "mlx"})
    started = Engine(damaged)
    started.until_gone()
    failed = started.answers[0].failed
    assert failed is not None
    assert failed.code == "cannot_load"
    assert "not a number" in failed.message
    started.close()
    assert started.hello is None


def test_a_model_that_cannot_be_loaded_says_why(tmp_path: Path) -> None:
    started = Engine(tmp_path)
    started.until_gone()
    failed = started.answers[0].failed
    assert failed is not None
    assert "config.json" in failed.message
    started.close()
    assert started.process.returncode == 3


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells of a parent's death")
def test_a_stopped_engine_dies_with_its_gateway(text_model: Path) -> None:
    """The gateway here is a process of its own that starts an engine, stops it, and is killed."""
    script = (
        "import os, signal, sys, time\n"
        "from pathlib import Path\n"
        "from tests.engine.harness import Engine\n"
        "started = Engine(Path(sys.argv[1])).ready()\n"
        "started.process.send_signal(signal.SIGSTOP)\n"
        "print(started.process.pid, flush=True)\n"
        "signal.pause()\n"
    )
    command = [sys.executable, "-c", script, str(text_model)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as gateway:
        assert gateway.stdout is not None
        engine_process = psutil.Process(int(gateway.stdout.readline()))
        gateway.kill()
        # What the kernel does, not the engine, which stands still.
        assert left([engine_process]) == []


def test_a_killed_engine_is_seen_at_once(text_model: Path) -> None:
    with engine(text_model) as started:
        started.process.send_signal(signal.SIGKILL)
        started.until_gone()


@pytest.mark.skipif(sys.platform != "linux", reason="what the C library keeps is glibc's own")
def test_memory_of_a_long_prompt_is_given_back_when_nothing_more_comes(text_model: Path) -> None:
    with engine(text_model, prefix_bytes=0) as started:
        process = psutil.Process(started.process.pid)
        before = process.memory_info().rss
        started.ask(prompt(3000, 1), max_tokens=2)
        busy = process.memory_info().rss
        for _ in range(5):
            started.until_idle()
        kept = process.memory_info().rss - before
        assert kept < max(24 << 20, (busy - before) / 3), f"{kept >> 20} MiB are kept"
