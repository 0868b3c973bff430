"""Finds any of several strings in text that comes in pieces, in time linear in the text."""

import re
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(slots=True, eq=False)
class _Node:
    depth: int
    next: dict[str, "_Node"] = field(default_factory=dict)
    fail: "_Node | None" = None
    hit: str | None = None


class Triggers:
    """The strings, as an Aho-Corasick automaton; shared by all that look for them."""

    def __init__(self, strings: Iterable[str]) -> None:
        self.root = _Node(0)
        wanted = sorted({string for string in strings if string})
        for string in wanted:
            node = self.root
            for depth, char in enumerate(string, 1):
                node = node.next.setdefault(char, _Node(depth))
            node.hit = string
        firsts = "".join({re.escape(string[0]) for string in wanted})
        self.first = re.compile(f"[{firsts}]" if firsts else "(?!)")
        self._link()

    def _link(self) -> None:
        queue = deque(self.root.next.values())
        for child in queue:
            child.fail = self.root
        while queue:
            node = queue.popleft()
            for char, child in node.next.items():
                child.fail = self.step(node.fail or self.root, char)
                # The longest string that ends here wins: it starts first.
                child.hit = child.hit or child.fail.hit
                queue.append(child)

    def step(self, node: _Node, char: str) -> _Node:
        at: _Node | None = node
        while at is not None:
            if (found := at.next.get(char)) is not None:
                return found
            at = at.fail
        return self.root


class Scan:
    """One text's state: what of it is still held because a string may be completing."""

    __slots__ = ("_node", "_triggers", "held")

    def __init__(self, triggers: Triggers) -> None:
        self._triggers = triggers
        self._node = triggers.root
        self.held = ""

    def feed(self, text: str) -> tuple[str, str | None, str]:
        """What is free of any string now, the string that completed if one did, and the rest of
        the text after it, unread."""
        triggers, node, root = self._triggers, self._node, self._triggers.root
        text, at = self.held + text, len(self.held)
        end = len(text)
        while at < end:
            if node is root:
                match = triggers.first.search(text, at)
                if match is None:
                    at = end
                    break
                at = match.start()
            node = triggers.step(node, text[at])
            at += 1
            if node.hit is not None:
                self._node, self.held = root, ""
                return text[: at - len(node.hit)], node.hit, text[at:]
        self._node = node
        free = end - node.depth
        self.held = text[free:]
        return text[:free], None, ""

    def flush(self) -> str:
        held, self.held, self._node = self.held, "", self._triggers.root
        return held
