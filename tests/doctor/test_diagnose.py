"""Known failures are recognised by their words, and nothing else is."""

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlxd.doctor.diagnose import diagnose, explain, signatures

from .innocent import LINES

# What failures look like where people meet them. The words of the libraries are theirs, and the
# programs around them are made up.
FAILURES = {
    file.stem: file.read_text(encoding="utf-8")
    for file in sorted(Path(__file__).with_name("failures").glob("*.txt"))
}
INNOCENT = st.lists(st.sampled_from(LINES), max_size=40).map("\n".join)
EVERY_DAY = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FFF), max_size=80)
# A thread of the gateway waits for it.
PATIENCE_S = 2.0


def command(*arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mlxd", "doctor", "diagnose", *arguments],
        input=text,
        capture_output=True,
        text=True,
        timeout=250,
    )


def test_every_signature_has_a_text_and_says_what_to_do() -> None:
    known = {one.id: one for one in signatures()}
    assert known.keys() == FAILURES.keys()
    for one in known.values():
        assert one.cause.endswith(".")
        assert one.do
        assert one.source


@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_is_recognised_as_itself_alone(name: str) -> None:
    assert [one.id for one in diagnose(FAILURES[name])] == [name]


@pytest.mark.parametrize("name", FAILURES)
def test_it_is_found_between_other_lines(name: str) -> None:
    log = "\n".join([*LINES, FAILURES[name], *LINES])
    found = explain(log)
    assert found is not None
    assert found.id == name
    assert found.line.strip("…") in log


def test_no_line_of_a_healthy_log_is_taken_for_a_failure() -> None:
    assert {line: [d.id for d in diagnose(line)] for line in LINES if diagnose(line)} == {}


@given(INNOCENT)
@settings(deadline=None, max_examples=200)
def test_no_healthy_log_is_taken_for_a_failure(log: str) -> None:
    assert diagnose(log) == []


@given(EVERY_DAY)
@settings(deadline=None, max_examples=200)
def test_no_text_at_all_breaks_it(text: str) -> None:
    assert diagnose(text) == []


def test_the_cause_comes_before_what_it_led_to() -> None:
    """The empty answer of mlx-vlm, whose true reason stands further up in the log."""
    log = FAILURES["mlx-no-compiler"] + FAILURES["vlm-swallowed-error"]
    assert [one.id for one in diagnose(log)] == ["mlx-no-compiler", "vlm-swallowed-error"]
    again = FAILURES["metal-timeout"] + FAILURES["metal-submissions-ignored"]
    found = explain(again)
    assert found is not None
    assert found.id == "metal-timeout"


def test_of_two_causes_the_last_one_comes_first() -> None:
    log = FAILURES["hub-file-cut"] + FAILURES["port-taken"]
    assert [one.id for one in diagnose(log)] == ["port-taken", "hub-file-cut"]


def test_a_large_log_takes_no_time() -> None:
    log = "\n".join(LINES * 3000) + FAILURES["disk-full"]
    # Of the processor, not of the clock on the wall: other work on the machine is nothing to it.
    began = time.process_time()
    found = explain(log)
    assert found is not None
    assert found.id == "disk-full"
    assert time.process_time() - began < PATIENCE_S * 5


@pytest.mark.parametrize("piece", ["a", "error: ", "0.", "/a", "['"])
def test_a_line_without_end_takes_no_time(piece: str) -> None:
    """A program, or an array, that some library has put into its message."""
    line = piece * (1_000_000 // len(piece)) + FAILURES["disk-full"].strip()
    began = time.process_time()
    assert [one.id for one in diagnose(line)] == ["disk-full"]
    assert time.process_time() - began < PATIENCE_S * 5


def test_no_text_at_all_is_told_as_that() -> None:
    made = command("")
    assert made.returncode == 2
    assert "no text" in made.stderr


def test_the_command_reads_a_text_a_file_and_its_input(tmp_path: Path) -> None:
    error = "AttributeError: 'NoneType' object has no attribute 'token'"
    log = tmp_path / "app.log"
    log.write_text(FAILURES["vlm-swallowed-error"])
    for made in (command(error), command(str(log)), command("-", text=error)):
        assert made.returncode == 0, made.stderr
        assert "MLX_DISABLE_COMPILE=1" in made.stdout
        assert "0.3.2 to 0.3.10" in made.stdout
        assert "Source:" in made.stdout


def test_a_log_longer_than_the_memory_is_read_at_its_end(tmp_path: Path) -> None:
    """Half a gigabyte of it: from a file, and from what can only be read once."""
    log = tmp_path / "app.log"
    line = b"INFO 200 POST /v1/chat/completions\n" * 30_000
    with log.open("wb") as file:
        file.write(b"\x00\xff\xfe binary, and no text at all\n")
        file.truncate(500_000_000)
        file.seek(0, os.SEEK_END)
        file.write(line + FAILURES["disk-full"].encode())
    limit = "import resource, sys; resource.setrlimit(resource.RLIMIT_AS, (2**29, 2**29));"
    code = f"{limit} from mlxd.cli import main; sys.argv[0] = 'mlxd'; main()"
    for name in (str(log), "-"):
        with log.open("rb") as file:
            made = subprocess.run(
                [sys.executable, "-c", code, "doctor", "diagnose", name],
                stdin=file,
                capture_output=True,
                text=True,
                timeout=200,
            )
        assert made.returncode == 0, made.stderr[-2000:]
        assert "disk-full" in made.stdout


def test_what_is_no_text_is_unknown(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes(random.Random(1).randbytes(200_000))
    assert command(str(file)).returncode == 1
    with file.open("rb") as content:
        made = subprocess.run(
            [sys.executable, "-m", "mlxd", "doctor", "diagnose"],
            stdin=content,
            capture_output=True,
            timeout=200,
        )
    assert made.returncode == 1
    assert b"Traceback" not in made.stderr


def test_the_command_says_what_to_collect_where_nothing_is_known() -> None:
    made = command("a cat sat on the keyboard")
    assert made.returncode == 1
    assert "mlxd doctor --json" in made.stdout
    assert "x-request-id" in made.stdout


def test_the_command_names_a_file_that_is_not_there(tmp_path: Path) -> None:
    made = command(str(tmp_path / "none.log"))
    assert made.returncode == 2
    assert "There is no file" in made.stderr


def test_the_command_speaks_json() -> None:
    made = command("--json", FAILURES["metal-out-of-memory"])
    (found,) = json.loads(made.stdout)
    assert found["id"] == "metal-out-of-memory"
    assert found["do"]
    assert found["source"]


def test_asking_for_it_imports_nothing_heavy() -> None:
    code = (
        "import sys; from mlxd.doctor.diagnose import explain; explain('x');"
        "print(sorted({'mlx', 'numpy', 'psutil', 'httpx2', 'rich'} & set(sys.modules)))"
    )
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert made.stdout.strip() == "[]"
