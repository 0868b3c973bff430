"""What happens to ink on its way to a picture: colours, blur, noise and JPEG, on the GPU."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

# The usual quality-50 table for brightness, by distance from the constant term; scaled by quality.
_STEP = torch.tensor([[16 + 2.2 * (i + j) + 0.9 * i * j for j in range(8)] for i in range(8)])
_COSINE = torch.tensor(
    [
        [
            math.cos(math.pi * (2 * x + 1) * u / 16) * (math.sqrt(1 / 8) if u == 0 else 0.5)
            for x in range(8)
        ]
        for u in range(8)
    ]
)


def _jpeg(x: Tensor, quality: Tensor) -> Tensor:
    """Quantise 8x8 blocks as JPEG does; quality per image."""
    b, c, h, w = x.shape
    cosine, step = _COSINE.to(x.device), _STEP.to(x.device)
    blocks = x.view(b, c, h // 8, 8, w // 8, 8).permute(0, 1, 2, 4, 3, 5) * 255 - 128
    waves = cosine @ blocks @ cosine.T
    scale = torch.where(quality < 50, 50 / quality, 2 - quality / 50).view(-1, 1, 1, 1, 1, 1)
    steps = (step * scale).clamp_min(1)
    back = cosine.T @ ((waves / steps).round() * steps) @ cosine
    return ((back + 128) / 255).permute(0, 1, 2, 4, 3, 5).reshape(b, c, h, w)


def _blur(x: Tensor, sigma: Tensor) -> Tensor:
    b, c, h, w = x.shape
    reach = torch.arange(-2, 3, device=x.device, dtype=x.dtype)
    kernel = torch.exp(-(reach**2) / (2 * sigma.clamp_min(0.05)[:, None] ** 2))
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(c, 0)
    flat = F.pad(x.reshape(1, b * c, h, w), (2, 2, 2, 2), mode="replicate")
    flat = F.conv2d(flat, kernel[:, None, :, None], groups=b * c)
    return F.conv2d(flat, kernel[:, None, None, :], groups=b * c).view(b, c, h, w)


def _colors(b: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Ink and paper for each image: mostly dark on light, some inverted, some coloured."""
    mode = torch.rand(b, device=device)
    light, dark = (
        torch.rand(b, 3, device=device) * 0.12 + 0.88,
        torch.rand(b, 3, device=device) * 0.25,
    )
    pure = mode < 0.3
    light[pure], dark[pure] = 1.0, 0.0
    tint = torch.rand(b, 3, device=device)
    paper = torch.where((mode > 0.7)[:, None], 0.45 + 0.55 * tint, light)
    ink = torch.where((mode > 0.7)[:, None], torch.rand(b, 3, device=device) * 0.45, dark)
    weights = torch.tensor([0.3, 0.59, 0.11], device=device)
    low = (paper @ weights - ink @ weights) < 0.32
    paper[low], ink[low] = 1.0, ink[low] * 0.5
    swap = (torch.rand(b, device=device) < 0.25)[:, None]
    return torch.where(swap, paper, ink), torch.where(swap, ink, paper)


def _roughen(x: Tensor, strength: float) -> Tensor:
    b, device = x.shape[0], x.device

    def some(share: float) -> Tensor:
        return torch.rand(b, device=device) < share

    x = torch.where(
        some(0.35)[:, None, None, None],
        _blur(x, torch.rand(b, device=device) * 0.9 * strength + 0.1),
        x,
    )
    noise = torch.rand(b, device=device) ** 2 * 0.09 * strength * some(0.5)
    x = x + torch.randn_like(x) * noise[:, None, None, None]
    quality = torch.rand(b, device=device) * 60 + 35
    x = torch.where(some(0.4)[:, None, None, None], _jpeg(x.clamp(0, 1), quality), x)
    return (x.clamp(0, 1) * 255).round() / 255


@torch.no_grad()
def picture(raw: Tensor) -> Tensor:
    """Bytes (batch, 1 or 3, height, width) to what the vision tower reads, from -1 to 1."""
    x = raw.float() / 255
    if x.shape[1] == 1:
        ink, paper = _colors(len(x), x.device)
        x = paper[:, :, None, None] + (ink - paper)[:, :, None, None] * x
        across = torch.linspace(-1, 1, x.shape[3], device=x.device)
        slope = torch.randn(len(x), 1, 1, 1, device=x.device) * 0.05
        x = _roughen((x + slope * across).clamp(0, 1), 1.0)
    else:
        x = _roughen(x, 0.6)
    return x * 2 - 1
