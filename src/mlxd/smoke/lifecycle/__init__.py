"""How a server behaves when clients, processes and machines do not: it is started by a command
line, hurt, and watched from outside."""

from .plan import SCENES, LifecyclePlan, Settled, lifecycle
from .ports import free_port
from .stage import PORT, SCRATCH, Stage

__all__ = [
    "PORT",
    "SCENES",
    "SCRATCH",
    "LifecyclePlan",
    "Settled",
    "Stage",
    "free_port",
    "lifecycle",
]
