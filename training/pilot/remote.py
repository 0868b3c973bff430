"""Training on a rented machine whose calls are short, and which may be taken away at any time.

    python3 -m training.pilot.remote work --minutes 24 --out $OUT      there, again and again
    python3 -m training.pilot.remote fetch FOLDER                      here, on what came back

The first `work` copies code and fonts aside and starts a keeper in a session of its own, which
outlives the call and starts the training again whenever it ends before its time. Every `work` waits
until its own seconds are nearly over and leaves the newest weights in parts, with their checksums, in
--out; the call after the end of the schedule leaves the final ones and the scores. On a machine that
knows nothing of the run (the last one is gone) it begins from .pilot/start.safetensors, where that is
there, at the point of the schedule where those weights were saved: `fetch` makes such a file of what
came back. Standard library only, but for `fetch`, which needs NumPy.
"""

import argparse
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
START = Path(".pilot/start.safetensors")
PART_BYTES = 15 << 20
LOG_BYTES = 400_000
FIRST_WEIGHTS = "weights.safetensors"
OUT_OF_MEMORY = 75  # the exit status of train
ATTEMPTS = 12  # starts of the training in all
QUICK = 40.0  # seconds; a training that ended sooner did not get to its first step
STALLED = 270.0  # seconds without a line in the log; compiling takes 120 at the beginning
LAST_COPY = 12.0  # seconds kept at the end of a call for the last copy
COPY_EVERY = 45.0


def _alive(path: Path) -> bool:
    """Whether the process whose id stands in the file is there, and no zombie."""
    try:
        pid = int(path.read_text())
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (OSError, ValueError):
        return False


def _write(path: Path, text: str) -> None:
    part = path.with_suffix(".tmp")
    part.write_text(text)
    part.rename(path)


# --- the keeper: one process beside the training, from the first call on


def keep(run: Path, until: float, more: list[str]) -> None:
    """Has the training run until its time is over, whatever happens to it."""
    smaller, quick, plain = 1.0, 0, []
    log = (run / "log").open("ab", buffering=0)
    for attempt in range(ATTEMPTS):
        if time.time() >= until or (run / "finished").exists():
            break
        command = [sys.executable, "-u", "-m", "training.pilot.train", "--until", str(until)]
        command += ["--fonts", str(run / "fonts"), "--out", str(run), *plain, *more]
        if (run / "start.safetensors").exists():
            command += ["--start", str(run / "start.safetensors")]
        if smaller < 1:
            command += ["--rows", str(int(14 * smaller)), "--patches", str(int(28_672 * smaller))]
        log.write(f"keeper: start {attempt + 1}, {until - time.time():.0f} s left\n".encode())
        began = time.time()
        child = subprocess.Popen(
            command, cwd=run / "code", stdout=log, stderr=log, start_new_session=True
        )
        status = _watched(child, run)
        try:
            os.killpg(child.pid, signal.SIGKILL)  # its workers
        except ProcessLookupError:
            pass
        log.write(f"keeper: training ended with {status}\n".encode())
        if status == 0:
            break
        if status == OUT_OF_MEMORY:
            smaller *= 0.7
        quick = quick + 1 if time.time() - began < QUICK else 0
        if quick == 3:  # perhaps it is the compiler
            plain = ["--no-compile"]
        if quick == 6:
            break
    (run / "over").touch()


def _watched(child: "subprocess.Popen[bytes]", run: Path) -> int:
    """The exit status; a training that says nothing for too long is ended."""
    while True:
        try:
            return child.wait(timeout=5)
        except subprocess.TimeoutExpired:
            if time.time() - (run / "log").stat().st_mtime > STALLED:
                os.killpg(child.pid, signal.SIGKILL)
                return child.wait()


# --- a call


def work(
    run: Path, out: Path | None, fonts: Path, minutes: float, seconds: float, more: list[str]
) -> int:
    ends = time.time() + seconds
    if not (run / "until").exists():
        refusal = _prepare(run, fonts, minutes)
        if refusal:
            print(refusal)
            return 3
    until = float((run / "until").read_text())
    keeper = None
    if not (run / "over").exists() and not _alive(run / "keeper"):
        command = [sys.executable, "-m", "training.pilot.remote", "keep", "--run", str(run)]
        with (run / "keeper.log").open("ab") as told_by_keeper:
            keeper = subprocess.Popen(
                [*command, "--", *more],
                cwd=run / "code",
                start_new_session=True,
                stdin=subprocess.DEVNULL,
                stdout=told_by_keeper,
                stderr=subprocess.STDOUT,
            )
        _write(run / "keeper", str(keeper.pid))
    told, copied, copied_at = _size(run / "log"), 0.0, 0.0
    over = False
    while not over and time.time() < ends - LAST_COPY:
        over = (run / "over").exists()
        told = _tell(run / "log", told)
        newest = _changed(run / FIRST_WEIGHTS)
        if out and newest != copied and (over or time.time() - copied_at > COPY_EVERY):
            hand_over(run, out)
            copied, copied_at = newest, time.time()
        if not over:
            time.sleep(1)
    if out:
        hand_over(run, out)
    _tell(run / "log", told)
    if over and keeper:
        keeper.wait()
    if (run / "finished").exists():
        print("ALL DONE" if over else "TRAINED; its scores are still being counted")
        return 0
    if over:
        print(f"THE TRAINING GAVE UP; the end of its log:\n{_tail(run / 'log', 3000)}")
        return 1
    print(f"CALL AGAIN, AT ONCE: the schedule ends in {until - time.time():.0f} s")
    return 0


def _prepare(run: Path, fonts: Path, minutes: float) -> str:
    """Lays out a run on a machine that has none; what is wrong, if it cannot."""
    if not (fonts / "held").is_dir():
        return f"no fonts at {fonts}: they have to travel with the call"
    if minutes <= 0:
        return "no run on this machine: say with --minutes how long it may take from now"
    run.mkdir(parents=True, exist_ok=True)
    # Aside, because the next call replaces what it travels with.
    shutil.copytree(ROOT / "training", run / "code" / "training", dirs_exist_ok=True)
    shutil.copytree(fonts, run / "fonts", dirs_exist_ok=True)
    if (ROOT / START).exists():
        shutil.copy(ROOT / START, run / "start.safetensors")
    (run / "log").touch()
    _write(run / "until", str(time.time() + minutes * 60))
    return ""


def _changed(path: Path) -> float:
    return path.stat().st_mtime if path.exists() else 0.0


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _tell(log: Path, told: int) -> int:
    """Prints what is new in the log."""
    if not log.exists():
        return told
    with log.open("rb") as file:
        file.seek(told)
        new = file.read()
    if new:
        print(new.decode(errors="replace"), end="", flush=True)
    return told + len(new)


def _tail(path: Path, size: int) -> str:
    return path.read_bytes()[-size:].decode(errors="replace") if path.exists() else ""


def hand_over(run: Path, out: Path) -> None:
    """The newest weights in parts, then the list of the parts: a list that fits is never early."""
    out.mkdir(parents=True, exist_ok=True)
    if (run / FIRST_WEIGHTS).exists():
        whole = (run / FIRST_WEIGHTS).read_bytes()  # renamed into its place, so never half a file
        parts = []
        for i, at in enumerate(range(0, len(whole), PART_BYTES)):
            piece = whole[at : at + PART_BYTES]
            path = out / f"weights.{i}"
            path.with_suffix(".tmp").write_bytes(piece)
            path.with_suffix(".tmp").rename(path)
            parts.append({"name": path.name, "sha256": hashlib.sha256(piece).hexdigest()})
        told: dict[str, Any] = {"sha256": hashlib.sha256(whole).hexdigest(), "parts": parts}
        told["finished"] = (run / "finished").exists()
        _write(out / "weights.json", json.dumps(told, indent=1) + "\n")
    _write(out / "log.txt", _tail(run / "log", LOG_BYTES))
    if (run / "scores.jsonl").exists():
        shutil.copy(run / "scores.jsonl", out / "scores.jsonl")


# --- at home


def fetch(folder: Path, target: Path) -> None:
    """Puts the parts together, checks them, and writes the weights from which to go on elsewhere."""
    told = json.loads((folder / "weights.json").read_text())
    whole = b""
    for part in told["parts"]:
        piece = (folder / part["name"]).read_bytes()
        if hashlib.sha256(piece).hexdigest() != part["sha256"]:
            raise SystemExit(f"{part['name']} is not what was sent: call once more")
        whole += piece
    if hashlib.sha256(whole).hexdigest() != told["sha256"]:
        raise SystemExit("the parts do not make the whole: call once more")
    target.mkdir(parents=True, exist_ok=True)
    part_path = target / "weights.tmp"
    part_path.write_bytes(whole)
    part_path.rename(target / FIRST_WEIGHTS)
    for name in ("log.txt", "scores.jsonl"):
        if (folder / name).exists():
            shutil.copy(folder / name, target / name)
    start = target / START.name
    size, where = _in_eight_bits(target / FIRST_WEIGHTS, start)
    print(
        f"{target / FIRST_WEIGHTS}: {len(whole) / 2**20:.1f} MiB, {where}, "
        f"{'FINISHED' if told['finished'] else 'not finished'}; {start}: {size / 2**20:.1f} MiB"
    )


def _in_eight_bits(source: Path, target: Path) -> tuple[int, dict[str, str]]:
    """A copy small enough to travel: matrices in 8 bits with a scale for each row."""
    import numpy as np

    raw = source.read_bytes()
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + length])
    told = header.pop("__metadata__", {})
    out: dict[str, tuple[str, list[int], bytes]] = {}
    for name, entry in header.items():
        first, last = (8 + length + o for o in entry["data_offsets"])
        shape = entry["shape"]
        if len(shape) < 2:
            out[name] = (entry["dtype"], shape, raw[first:last])
            continue
        halves = np.frombuffer(raw[first:last], np.uint16).astype(np.uint32) << 16
        values = halves.view(np.float32).reshape(shape[0], -1)
        scale = np.maximum(np.abs(values).max(1, keepdims=True) / 127, 1e-12)
        small = np.rint(values / scale).astype(np.int8)
        out[name] = ("I8", shape, small.tobytes())
        rows = [shape[0]] + [1] * (len(shape) - 1)
        out[f"{name}/scale"] = ("F32", rows, scale.astype(np.float32).tobytes())
    at, listed = 0, {"__metadata__": told}
    for name, (kind, shape, data) in out.items():
        listed[name] = {"dtype": kind, "shape": shape, "data_offsets": [at, at + len(data)]}
        at += len(data)
    head = json.dumps(listed).encode()
    head += b" " * (-len(head) % 8)
    body = b"".join(data for _, _, data in out.values())
    part = target.with_suffix(".tmp")
    part.write_bytes(len(head).to_bytes(8, "little") + head + body)
    part.rename(target)
    return 8 + len(head) + len(body), told


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    call = verbs.add_parser("work", help="one call on the rented machine")
    call.add_argument(
        "--minutes", type=float, default=0, help="from now to the end of the schedule"
    )
    call.add_argument("--seconds", type=float, default=580, help="that this call may take")
    call.add_argument("--out", type=Path, help="folder that is brought back after the call")
    call.add_argument("--fonts", type=Path, default=ROOT / ".pilot/fonts")
    keeper = verbs.add_parser("keep", help="started by work")
    for one in (call, keeper):
        one.add_argument("--run", type=Path, default=Path("/tmp/pilot-run"))
        one.add_argument("more", nargs="*", help="after --: more arguments for the training")
    home = verbs.add_parser("fetch", help="what a call brought back")
    home.add_argument("folder", type=Path)
    home.add_argument("--target", type=Path, default=Path("runs/pilot"))
    a = parser.parse_args()
    if a.verb == "fetch":
        fetch(a.folder, a.target)
        return 0
    if a.verb == "keep":
        keep(a.run, float((a.run / "until").read_text()), a.more)
        return 0
    return work(a.run, a.out, a.fonts, a.minutes, a.seconds, a.more)


if __name__ == "__main__":
    sys.exit(main())
