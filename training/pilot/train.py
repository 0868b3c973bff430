"""Train pilot from nothing: text and pictures, one batch of each in every step.

    python -m training.pilot.train --minutes 22 --fonts .pilot/fonts --out runs/pilot

The learning rate follows the progress, from 0 to 1: of the minutes of training, or, with --until, of
the time that is left until a moment of the clock, whatever is lost to interruptions on the way. It
saves itself every 100 seconds and goes on from there when it is started again with the same --out.
"""

import argparse
import functools
import json
import math
import os
import time
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from . import augment, batches, score
from .loader import Loader
from .model import Pilot, Shape
from .optim import Muon, orthogonal, split
from .tasks import mixture
from .tokenizer import Tokenizer

MUON_RATE, ADAM_RATE = 0.02, 3e-3
WARM_STEPS = 150
STEADY_SHARE = 0.3  # of the time at the full rate; from there linearly to zero
GLYPH_SHARE = 0.25  # of the loss of the head that names the characters of each cell
SNAPSHOT_STEPS, CHECK_STEPS, SAVE_SECONDS = 200, 20, 100
LONGEST_PAUSE = 20.0  # seconds: more between two checks was compiling or scoring, not training
CALMER = 0.7  # what the rate is multiplied by after a loss that is no number
OUT_OF_MEMORY = 75  # exit status, so that whoever started this may try smaller batches


class Trainer:
    def __init__(self, arguments: argparse.Namespace) -> None:
        self.a = arguments
        self.out = Path(arguments.out)
        self.out.mkdir(parents=True, exist_ok=True)
        self.tokenizer = Tokenizer.load()
        fonts = str(arguments.fonts)
        pictures = functools.partial(
            batches.picture_batch,
            self.tokenizer,
            folder=fonts,
            scenes_share=arguments.scenes,
            chinese=arguments.chinese,
            patches=arguments.patches,
        )
        text = functools.partial(
            batches.text_batch, self.tokenizer, rows=arguments.rows, size=arguments.row
        )
        # What was seen before an interruption is not seen again.
        fresh = f"/{time.time_ns()}" if arguments.resume or arguments.start else ""
        self.loaders = (
            Loader(text, f"{arguments.seed}/text{fresh}", arguments.text_workers),
            Loader(pictures, f"{arguments.seed}/pictures{fresh}", arguments.picture_workers),
        )
        self.device = torch.device(
            arguments.device or ("cuda" if torch.cuda.is_available() else "cpu")
        )
        torch.manual_seed(arguments.seed)
        torch.set_float32_matmul_precision("high")
        self.model = Pilot(
            Shape(vocabulary=-(-self.tokenizer.size // 64) * 64, layers=arguments.layers),
            len(batches.GLYPH_IDS),
        ).to(self.device)
        matrices, rest = split(self.model)
        self.muon = Muon(matrices)
        self.adam = torch.optim.AdamW(
            rest,
            lr=ADAM_RATE,
            betas=(0.9, 0.95),
            weight_decay=0.0,
            fused=self.device.type == "cuda",
        )
        self.step, self.warm, self.spent, self.progress, self.calm = 0, 0, 0.0, 0.0, 1.0
        self.good: dict[str, Any] = {}
        if arguments.compile:
            self._compile()
        if (self.out / "state.pt").exists():
            self.load(
                torch.load(self.out / "state.pt", map_location=self.device, weights_only=True)
            )
        elif arguments.start:
            self.begin_from(Path(arguments.start))
        print(
            f"on {torch.cuda.get_device_name() if self.device.type == 'cuda' else 'the CPU'}, "
            f"{sum(p.numel() for p in self.model.parameters()) / 1e6:.1f}M parameters",
            flush=True,
        )

    def begin_from(self, path: Path) -> None:
        """Weights alone, in 8 bits or 16: momentum is gathered anew while the rate warms up."""
        with safe_open(str(path), "pt") as file:
            told = file.metadata() or {}
            stored = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118
        weights = {
            k: v.float() * stored[f"{k}/scale"].float() if v.dtype == torch.int8 else v.float()
            for k, v in stored.items()
            if not k.endswith("/scale")
        }
        missing, strange = self.model.load_state_dict(weights, strict=False)
        if strange or any(not k.startswith("glyphs") for k in missing):
            raise ValueError(f"{path} holds another model: missing {missing}, strange {strange}")
        self.progress, self.step = float(told.get("progress", 0)), int(told.get("step", 0))
        if self.a.again_from:  # a finished run goes through the end of the schedule once more
            self.progress = min(self.progress, self.a.again_from)
        self.warm = self.step
        print(f"from {path}: step {self.step}, progress {self.progress:.3f}", flush=True)

    def _compile(self) -> None:
        torch._dynamo.config.recompile_limit = 64
        for layer in self.model.model.language_model.layers:
            layer.compile(dynamic=False)
        for block in self.model.model.visual.blocks:
            block.compile(dynamic=False)
        self.muon.make = torch.compile(orthogonal, dynamic=False)
        self.weigh = torch.compile(self.weigh, dynamic=False)  # type: ignore[method-assign]

    def state(self) -> dict[str, Any]:
        return {
            "model": self.model.state_dict(),
            "adam": self.adam.state_dict(),
            "muon": {str(k): v for k, v in self.muon.buffers.items()},
            "step": self.step,
            "spent": self.spent,
            "progress": self.progress,
        }

    def load(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.adam.load_state_dict(state["adam"])
        for shape, buffer in self.muon.buffers.items():
            buffer.copy_(state["muon"][str(shape)])
        self.step, self.spent = state["step"], state["spent"]
        self.progress = max(self.progress, state["progress"])
        print(f"going on from step {self.step}, progress {self.progress:.3f}", flush=True)

    def save(self) -> None:
        """Everything that is needed to go on, and the weights alone, small enough to be fetched."""
        part = self.out / "state.tmp"
        torch.save(self.state(), part)
        part.rename(self.out / "state.pt")
        weights = {
            k: v.bfloat16()
            for k, v in self.model.state_dict().items()
            if not k.startswith("glyphs")
        }
        part = self.out / "weights.tmp"
        told = {"step": str(self.step), "progress": f"{self.progress:.5f}"}
        save_file({k: v.contiguous() for k, v in weights.items()}, part, told)
        part.rename(self.out / "weights.safetensors")

    def snapshot(self) -> None:
        """Copies on the device, to go back to when a loss is no number."""
        self.good = _copy(self.state())

    def go_back(self) -> None:
        self.calm *= CALMER
        print(
            f"step {self.step}: a loss is no number, going back; rate times {self.calm:.2f}",
            flush=True,
        )
        self.load(_copy(self.good))  # the optimizer keeps the tensors that it is given

    def advance(self, seconds: float) -> None:
        """Time has been used: of the schedule's length, or of what is left of it."""
        self.spent += seconds
        if self.a.until:
            left = self.a.until - time.time() + seconds
            self.progress += (1 - self.progress) * min(1.0, seconds / max(left, 1e-6))
        else:
            self.progress += seconds / (self.a.minutes * 60)

    def rate(self) -> float:
        done = self.progress
        falling = 1.0 if done < STEADY_SHARE else (1 - done) / (1 - STEADY_SHARE)
        return self.calm * max(0.0, falling) * min(1.0, (self.step - self.warm + 1) / WARM_STEPS)

    def weigh(self, hidden: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        logits = self.model.logits(hidden).float()
        losses = F.cross_entropy(
            logits.view(-1, logits.shape[-1]), targets.reshape(-1).long(), reduction="none"
        )
        return (losses * weights.reshape(-1)).sum() / weights.sum().clamp_min(1.0)

    def text_loss(self, batch: dict[str, Tensor]) -> Tensor:
        blocks = self.device.type == "cuda" and self.a.compile
        mask = packed_mask(batch["owner"], self.device, blocks)
        hidden = self.model.text(batch["ids"].long(), batch["positions"], mask)
        return self.weigh(hidden, batch["targets"], batch["weights"])

    def picture_loss(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        pixels = augment.picture(batch["pixels"])
        hidden, features = self.model.picture(
            batch["ids"].long(), batch["positions"], pixels, self.tokenizer.image
        )
        cells = features.shape[1]
        reading = self.weigh(
            hidden[:, cells:].contiguous(),
            batch["targets"][:, cells:].contiguous(),
            batch["weights"][:, cells:].contiguous(),
        )
        if batch["pixels"].shape[1] != 1:
            return reading, reading.detach() * 0
        named = self.model.glyphs(features).flatten(0, 1)
        wanted = torch.zeros_like(named, dtype=torch.bfloat16)
        wanted[batch["pairs"][:, 0].long(), batch["pairs"][:, 1].long()] = 1
        glyphs = F.binary_cross_entropy_with_logits(named.float(), wanted.float(), reduction="sum")
        return reading, glyphs / batch["glyphs"].float().clamp_min(1).sum()

    def update(self, rate: float) -> Tensor:
        rest = [p for g in self.adam.param_groups for p in g["params"]]
        norm = torch.nn.utils.clip_grad_norm_(rest, 1.0)
        for group in self.adam.param_groups:
            group["lr"] = ADAM_RATE * rate
        self.muon.step(MUON_RATE * rate)
        self.adam.step()
        self.model.zero_grad(set_to_none=True)
        return norm

    def run(self) -> None:
        texts, pictures = (loader.batches(self.device) for loader in self.loaders)
        stop_at = time.time() + self.a.seconds if self.a.seconds else math.inf
        ends = self.a.until or math.inf
        sums = torch.zeros(3, device=self.device)
        began = last = saved = time.time()
        counted, seen = 0, 0
        self.snapshot()
        while self.progress < 1 and time.time() < min(stop_at, ends):
            with torch.autocast(
                self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"
            ):
                text = self.text_loss(next(texts))
            text.backward()
            with torch.autocast(
                self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"
            ):
                reading, glyphs = self.picture_loss(next(pictures))
            (reading + GLYPH_SHARE * glyphs).backward()
            norm = self.update(self.rate())
            sums += torch.stack([text.detach(), reading.detach(), glyphs.detach()])
            counted, seen = counted + 1, seen + 1
            self.step += 1
            if seen % self.a.check_every == 0:
                if not math.isfinite(float(sums.sum() + norm)):
                    self.go_back()
                    sums.zero_()
                now = time.time()
                if seen > self.a.check_every:  # the first steps are spent compiling
                    self.advance(min(now - last, LONGEST_PAUSE))
                last = now
            if seen % (SNAPSHOT_STEPS // CHECK_STEPS * self.a.check_every) == 0:
                self.snapshot()
                means = (sums / counted).tolist()
                print(
                    f"step {self.step} {self.progress:.3f} {self.spent:.0f}s rate {self.rate():.3f} text {means[0]:.4f} read {means[1]:.4f} "
                    f"glyphs {means[2]:.3f} | {counted / (time.time() - began):.1f} steps/s",
                    flush=True,
                )
                sums.zero_()
                counted, began = 0, time.time()
            if self.a.score_every and self.step % self.a.score_every == 0:
                self.scores()
                began = last = time.time()
            if time.time() - saved > self.a.save_every:
                self.save()
                saved = time.time()
        self.save()
        if self.progress >= 1 or time.time() >= ends:
            (self.out / "finished").touch()
        if self.a.final_scores:
            self.scores()
        print(f"done: step {self.step}, {self.spent:.0f} s", flush=True)
        for loader in self.loaders:
            loader.close()

    def scores(self) -> None:
        eager = Pilot(self.model.shape, len(batches.GLYPH_IDS)).to(self.device)
        eager.load_state_dict(self.model.state_dict())
        skills: score.Skills = {name: make for name, (_, make) in mixture.SHARES.items()}
        try:
            from .heldout import text as heldout

            skills = {**skills, **heldout.SKILLS}
        except ImportError:
            pass
        torch.manual_seed(7)
        found = score.report(
            eager, self.tokenizer, skills, str(self.a.fonts), self.device, augment.picture
        )
        print(f"SCORES {self.step}: {score.show(found)}", flush=True)
        with (self.out / "scores.jsonl").open("a") as file:
            file.write(json.dumps({"step": self.step, "spent": round(self.spent), **found}) + "\n")


def _copy(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.clone()
    if isinstance(value, dict):
        return {k: _copy(v) for k, v in value.items()}
    return [_copy(v) for v in value] if isinstance(value, list) else value


def packed_mask(owner: Tensor, device: torch.device, blocks: bool) -> Any:
    """Each conversation of a packed row sees itself alone; in blocks only where it is compiled."""
    rows, size = owner.shape
    if not blocks:
        same = owner[:, None, :, None] == owner[:, None, None, :]
        return same & torch.ones(size, size, dtype=torch.bool, device=device).tril()
    from torch.nn.attention.flex_attention import create_block_mask

    def visible(b: Tensor, h: Tensor, q: Tensor, k: Tensor) -> Tensor:
        return (q >= k) & (owner[b, q] == owner[b, k])

    return create_block_mask(visible, rows, None, size, size, device=device, _compile=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--minutes", type=float, default=22, help="of training in all; the schedule's length"
    )
    parser.add_argument(
        "--until",
        type=float,
        default=0,
        help="in place of minutes: the schedule ends at this second of the clock (since 1970)",
    )
    parser.add_argument(
        "--seconds", type=float, default=0, help="stop (and save) after so long in this call"
    )
    parser.add_argument("--fonts", type=Path, default=Path(".pilot/fonts"))
    parser.add_argument("--out", default="runs/pilot")
    parser.add_argument("--start", default="", help="weights to begin from")
    parser.add_argument(
        "--again-from",
        type=float,
        default=0,
        help="with --start: the place in the schedule, if the weights are further",
    )
    parser.add_argument("--layers", type=int, default=Shape.layers, help="of the language model")
    parser.add_argument("--device", default="", help="fail when it is not there")
    parser.add_argument("--rows", type=int, default=batches.ROWS, help="of text in a batch")
    parser.add_argument("--row", type=int, default=batches.ROW, help="tokens of a row")
    parser.add_argument(
        "--patches", type=int, default=batches.PATCHES, help="of pictures in a batch"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--scenes", type=float, default=0.22, help="share of drawn scenes and charts"
    )
    parser.add_argument("--chinese", type=float, default=0.35, help="share of Chinese pages")
    parser.add_argument("--text-workers", type=int, default=5)
    parser.add_argument("--picture-workers", type=int, default=10)
    parser.add_argument("--score-every", type=int, default=8000, help="steps; 0 is never")
    parser.add_argument("--final-scores", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--save-every", type=float, default=SAVE_SECONDS, help="seconds")
    parser.add_argument("--check-every", type=int, default=CHECK_STEPS, help="steps")
    parser.add_argument("--compile", action=argparse.BooleanOptionalAction, default=True)
    arguments = parser.parse_args()
    arguments.resume = (Path(arguments.out) / "state.pt").exists()
    try:
        Trainer(arguments).run()
    except torch.OutOfMemoryError as reason:
        print(f"out of memory: {reason}", flush=True)
        os._exit(OUT_OF_MEMORY)  # at once: the device's state is not to be trusted


if __name__ == "__main__":
    main()
