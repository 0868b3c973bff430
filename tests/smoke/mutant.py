"""What a mutant of the correct server is, and the list of them all."""

from collections.abc import Callable
from dataclasses import dataclass

from mlxd.smoke import Category

from .edit import Edit
from .fake import Twist

# Of one answer: for mutants that answer, and for those that never do.
TIMEOUT_S = 30.0
SHORT_TIMEOUT_S = 3.0
# What a server that is busy for a moment may take, before it has slowed down for good.
PATIENCE_S = 20.0


@dataclass(frozen=True)
class Mutant:
    name: str
    fault: str
    category: Category
    twist: Twist | None = None
    slow: bool = False
    edit: Edit | None = None
    # Of the check of a server that nobody asks for a while, and of the one of its pace.
    pause: float = 0.0
    patience: float = PATIENCE_S

    @property
    def timeout(self) -> float:
        return SHORT_TIMEOUT_S if self.slow else TIMEOUT_S


MUTANTS: list[Mutant] = []


def wire(name: str, fault: str, category: Category = "wire_format", *, slow: bool = False) -> None:
    """The switch is in the fake server."""
    MUTANTS.append(Mutant(name, fault, category, slow=slow))


def model(
    name: str, fault: str, category: Category, *, patience: float = PATIENCE_S
) -> Callable[[Twist], Twist]:
    """What the model says is changed on its way out."""

    def add(twist: Twist) -> Twist:
        MUTANTS.append(Mutant(name, fault, category, twist, patience=patience))
        return twist

    return add


def edited(
    name: str,
    fault: str,
    category: Category = "wire_format",
    *,
    slow: bool = False,
    pause: float = 0.0,
) -> Callable[[type[Edit]], type[Edit]]:
    """What goes over the wire is changed at the last moment."""

    def add(edit: type[Edit]) -> type[Edit]:
        MUTANTS.append(Mutant(name, fault, category, slow=slow, pause=pause, edit=edit()))
        return edit

    return add
