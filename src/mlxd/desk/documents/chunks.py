"""Parents and children of a document. The same pages always give the same chunks."""

import re
from collections.abc import Iterator, Sequence

from .pieces import Block, Box, Child, Kind, Page, Parent
from .words import tokens

# What is shown as one result: about a screen.
PARENT_TOKENS = 400
# What is searched as one: embedding models of the small kind read 256 tokens.
CHILD_TOKENS = 160
# Of the end of one window, repeated at the start of the next: a fact may need the sentence before.
OVERLAP_TOKENS = 40
# Of what has no spaces, from which on it may be cut anywhere.
LONGEST_WORD = 40
# Of the text around an image that goes with its description.
CONTEXT_CHARACTERS = 400

_SENTENCE = re.compile(r"(?<=[.!?…])[\"'”’)\]]*\s+|(?<=[。！？；])[”’」』）]*|\n{2,}")
_ROW_RULE = re.compile(r"\|[\s:|-]+\|?")


def parents(pages: Sequence[Page], readings: dict[str, str], paged: bool) -> list[Parent]:
    """`readings`: what a model read or saw in each picture, by the picture's file."""
    made: list[Parent] = []
    for page in pages:
        number = page.number if paged else None
        if page.picture is not None:
            text = readings.get(page.picture, "").strip()
            box: Box | None = (0.0, 0.0, *page.size) if page.size else None
            if text:
                made.append(Parent(len(made), "page", text, number, box, page.picture))
            images = [block for block in page.blocks if block.kind == "image"]
        else:
            for kind, text, box in _texts(page.blocks):
                made.append(Parent(len(made), kind, text, number, box))
            images = [block for block in page.blocks if block.kind == "image"]
        for block in images:
            seen = readings.get(block.image or "", "").strip()
            made.append(Parent(len(made), "image", seen, number, block.box, block.image))
    return made


def _texts(blocks: Sequence[Block]) -> Iterator[tuple[Kind, str, Box | None]]:
    """Text blocks put together up to the size of a parent, tables each for itself. A heading begins
    a new parent, and stays with what follows it: above a table, with each of its parts."""
    gathered: list[Block] = []
    size = 0
    for block in blocks:
        if block.kind == "image":
            continue
        length = tokens(block.text)
        full = size + length > PARENT_TOKENS and any(one.kind == "text" for one in gathered)
        begins = block.kind == "heading" and any(one.kind == "text" for one in gathered)
        if block.kind == "table" and gathered and all(one.kind == "heading" for one in gathered):
            above, _ = _joined(gathered)
            _, box = _joined([*gathered, block])
            yield from (("table", f"{above}\n\n{part}", box) for part in _table_parts(block.text))
            gathered, size = [], 0
            continue
        if gathered and (full or begins or block.kind == "table"):
            yield "text", *_joined(gathered)
            gathered, size = [], 0
        if block.kind == "table":
            yield from (("table", part, block.box) for part in _table_parts(block.text))
            continue
        if length > PARENT_TOKENS:
            for part in windows(block.text, PARENT_TOKENS, 0):
                yield "text", *_joined([*gathered, Block("text", part, block.box)])
                gathered, size = [], 0
            continue
        gathered.append(block)
        size += length
    if gathered:
        yield "text", *_joined(gathered)


def _joined(blocks: Sequence[Block]) -> tuple[str, Box | None]:
    boxes = [block.box for block in blocks if block.box]
    box = (
        (
            min(one[0] for one in boxes),
            min(one[1] for one in boxes),
            max(one[2] for one in boxes),
            max(one[3] for one in boxes),
        )
        if boxes
        else None
    )
    return "\n\n".join(block.text for block in blocks), box


def _table_parts(text: str) -> list[str]:
    """A long table in parts that each repeat its head."""
    if tokens(text) <= PARENT_TOKENS:
        return [text]
    rows = text.splitlines()
    head = rows[:2] if len(rows) > 2 and _ROW_RULE.fullmatch(rows[1].strip()) else rows[:1]
    parts: list[list[str]] = [[]]
    size = 0
    for row in rows[len(head) :]:
        length = tokens(row)
        if parts[-1] and size + length > PARENT_TOKENS:
            parts.append([])
            size = 0
        parts[-1].append(row)
        size += length
    return ["\n".join([*head, *part]) for part in parts]


def children(made: Sequence[Parent], summaries: dict[int, str]) -> list[Child]:
    found: list[Child] = []
    for parent in made:
        if parent.kind == "image":
            around = surroundings(made, parent.number)
            text = "\n\n".join(part for part in (parent.text, around) if part)
            # An image that could not be described is still found by what stands around it.
            found += [
                Child(parent.number, i, part, "description")
                for i, part in enumerate(windows(text, CHILD_TOKENS * 2, OVERLAP_TOKENS))
            ]
            continue
        parts = windows(parent.text, CHILD_TOKENS, OVERLAP_TOKENS)
        found += [Child(parent.number, i, part) for i, part in enumerate(parts)]
        if parent.number in summaries:
            found.append(Child(parent.number, len(parts), summaries[parent.number], "summary"))
    return found


def surroundings(made: Sequence[Parent], number: int) -> str:
    """The text next to an image: on its own page where there is any, else before and after it."""
    image = made[number]
    near = [one for one in made if one.kind != "image" and one.page == image.page]
    if image.box is not None and any(one.box for one in near):
        top, bottom = image.box[1], image.box[3]

        def distance(one: Parent) -> float:
            if one.box is None:
                return float("inf")
            return max(one.box[1] - bottom, top - one.box[3], 0.0)

        near = sorted(near, key=distance)[:2]
    else:
        near = sorted(near, key=lambda one: abs(one.number - number))[:2]
    texts = [one.text for one in sorted(near, key=lambda one: one.number)]
    return "\n\n".join(text[:CONTEXT_CHARACTERS] for text in texts)


def windows(text: str, limit: int, overlap: int) -> list[str]:
    """Pieces of at most `limit` tokens that end where sentences do."""
    made: list[str] = []
    held: list[tuple[str, int]] = []
    for sentence in _sentences(text, limit):
        size = tokens(sentence)
        if held and sum(one[1] for one in held) + size > limit:
            made.append("".join(one[0] for one in held).strip())
            held = _tail(held, min(overlap, limit - size))
        held.append((sentence, size))
    if held:
        made.append("".join(one[0] for one in held).strip())
    return [one for one in made if one]


def _tail(held: list[tuple[str, int]], budget: int) -> list[tuple[str, int]]:
    kept: list[tuple[str, int]] = []
    for one in reversed(held):
        # A sentence without words costs nothing, and is not said twice all the same.
        budget -= max(one[1], 1)
        if budget < 0:
            break
        kept.insert(0, one)
    return kept


def _sentences(text: str, limit: int) -> Iterator[str]:
    """Sentences with the space behind them; what is longer than a window is cut at words, and
    where there are none, anywhere."""
    at = 0
    for end in [found.end() for found in _SENTENCE.finditer(text)] + [len(text)]:
        sentence = text[at:end]
        at = end
        if sentence:
            yield from [sentence] if tokens(sentence) <= limit else _cut(sentence, limit)


def _cut(sentence: str, limit: int) -> Iterator[str]:
    piece, size = "", 0
    word, space = min(LONGEST_WORD, limit), LONGEST_WORD
    for part in re.findall(rf"\S{{1,{word}}}\s{{0,{space}}}|\s{{1,{space}}}", sentence):
        length = tokens(part)
        if piece and size + length > limit:
            yield piece
            piece, size = "", 0
        piece += part
        size += length
    if piece:
        yield piece
