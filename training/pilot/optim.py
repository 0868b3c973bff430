"""Muon for the matrices of the layers, AdamW for everything else."""

import torch
from torch import Tensor, nn


def orthogonal(g: Tensor) -> Tensor:
    """The nearest half-orthogonal matrices to a stack of them, by a quintic Newton-Schulz iteration."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = g.bfloat16() if g.is_cuda else g.float()
    wide = x.shape[-2] > x.shape[-1]
    if wide:
        x = x.mT
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(5):
        s = x @ x.mT
        x = a * x + (b * s + c * s @ s) @ x
    return x.mT if wide else x


class Muon:
    """Momentum, made orthogonal. Matrices of one shape are stepped as one stack."""

    def __init__(
        self, matrices: list[nn.Parameter], momentum: float = 0.95, decay: float = 0.02
    ) -> None:
        self.momentum, self.decay = momentum, decay
        self.groups: dict[tuple[int, ...], list[nn.Parameter]] = {}
        for p in matrices:
            self.groups.setdefault(tuple(p.shape), []).append(p)
        self.buffers = {
            shape: torch.zeros(len(ps), *shape, device=ps[0].device)
            for shape, ps in self.groups.items()
        }
        self.make = orthogonal

    @torch.no_grad()
    def step(self, rate: float) -> None:
        for shape, group in self.groups.items():
            gradient = torch.stack(
                [p.grad if p.grad is not None else torch.zeros_like(p) for p in group]
            )
            buffer = self.buffers[shape]
            buffer.lerp_(gradient, 1 - self.momentum)
            ahead = gradient.lerp(buffer, self.momentum)
            if shape[0] == 3 * shape[1]:  # query, key and value in one matrix are three matrices
                update = self.make(ahead.view(-1, shape[1], shape[1])).view_as(ahead)
                scale = 1.0
            else:
                update = self.make(ahead)
                scale = max(1.0, shape[0] / shape[1]) ** 0.5
            torch._foreach_mul_(group, 1 - rate * self.decay)
            torch._foreach_add_(
                group, list(update.to(group[0].dtype).unbind(0)), alpha=-rate * scale
            )


def split(model: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """The matrices of layers and mergers; the rest."""
    matrices, rest = [], []
    for name, p in model.named_parameters():
        inner = ".layers." in name or ".blocks." in name or "merger" in name
        (matrices if inner and p.ndim == 2 else rest).append(p)
    return matrices, rest
