"""Three to seven tags for each document, in its language: made by a model in a fixed form, and put
right here, as a small model's choice is only a suggestion."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from mlxd.desk.models import Failed, Models

from .jobs import STOPPED, Outcome, Run
from .ledger import Job, Ledger
from .store import Store, document_tags, documents, parents
from .words import fold, words

FEWEST, MOST = 3, 7
LONGEST = 40
# Of the document: its beginning says what it is about.
TEXT_CHARACTERS = 2_000
# Existing tags that the model is shown.
CANDIDATES = 20
ANSWER_TOKENS = 200

SCHEMA = {
    "type": "object",
    "properties": {
        "tags": {
            "type": "array",
            "items": {"type": "string", "minLength": 2, "maxLength": LONGEST},
            "minItems": FEWEST,
            "maxItems": MOST,
        }
    },
    "required": ["tags"],
    "additionalProperties": False,
}

# True of any document, so they find none.
_GENERIC = """
document documents text file files article page pages content information info data note
notes misc other general report topic summary description introduction example tag tags
keyword keywords 文档 文件 文章 内容 信息 资料 文本 数据 其他 标签 报告 页面
"""
# Never of interest by themselves, when words of the text have to do.
_COMMON = """
the and for that this with from have has was were are not but you your their they which
when where what will can its into over after before than then there these those been more
most some such each every about also between does goes again whole would could should
while other here itself under
a an as at be by do he if in is it me my of on or so to up us we
der die das und ein eine ist von den dem le la les des une du et el los las un una que de y
"""
_DENSE = re.compile(r"[\u3400-\u9fff]")
_LATIN_WORD = re.compile(r"[^\W\d_]{4,}")


GENERIC = frozenset(_GENERIC.split())
COMMON = frozenset(_COMMON.split())
# A small model repeats what it was told.
_TOLD = "give following own language generic ones one use format list json fit old new"
TOLD = GENERIC | frozenset(_TOLD.split())


class _Answer(msgspec.Struct):
    tags: list[str]


class Tagging:
    def __init__(self, models: Models, store: Store, ledger: Ledger) -> None:
        self._models = models
        self._store = store
        self._ledger = ledger

    def order(self, connection: sa.Connection, job: Job) -> None:
        """The job that follows this document's."""
        made = following(job)
        if not self._ledger.exists(connection, made):
            self._ledger.add(
                connection,
                id=made,
                kind="tags",
                document=job.document,
                name=job.name,
                revision=job.revision,
                priority="low",
            )

    def flow(self, run: Run) -> Outcome:
        run.progress("tags", 0, 1)
        return run.step("tags", lambda: self._tag(run))

    def _tag(self, run: Run) -> Outcome:
        job = run.job
        text = self._text(str(job.document))
        if text is None:
            return STOPPED
        if not text.strip():
            # A blank page is about nothing, and a model would make something up.
            return self._noted(job, [])
        candidates = self._candidates(text)
        try:
            said = run.ask(
                lambda: self._models.chat(
                    "structured_output",
                    prompt(text, candidates),
                    max_tokens=ANSWER_TOKENS,
                    schema=SCHEMA,
                )
            )
            suggested = msgspec.json.decode(said.text, type=_Answer).tags
        except msgspec.DecodeError as error:
            raise Failed(f"its tags are no JSON of the form that was asked for: {error}") from error
        return self._noted(job, settled(suggested, text, candidates))

    def _noted(self, job: Job, chosen: Sequence[str]) -> Outcome:
        with self._store.writing() as connection:
            if not self._ledger.finish(connection, job.id, job.attempt):
                return STOPPED
            mine = (document_tags.c.document == job.document) & ~document_tags.c.given
            connection.execute(sa.delete(document_tags).where(mine))
            given = sa.select(document_tags.c.tag).where(document_tags.c.document == job.document)
            there = {row[0] for row in connection.execute(given)}
            rows = [
                {"document": job.document, "tag": tag, "given": False}
                for tag in chosen
                if tag not in there
            ]
            if rows:
                connection.execute(sa.insert(document_tags), rows)
        self._ledger.announce()
        return Outcome()

    def _text(self, document: str) -> str | None:
        """None when it has gone."""
        chosen = (
            sa.select(documents.c.name, parents.c.text)
            .select_from(sa.outerjoin(documents, parents, parents.c.document == documents.c.id))
            .where(documents.c.id == document)
            .order_by(parents.c.number)
            .limit(20)
        )
        with self._store.reading() as connection:
            rows = connection.execute(chosen).all()
        if not rows:
            return None
        return "\n\n".join(row[1] for row in rows if row[1])[:TEXT_CHARACTERS]

    def _candidates(self, text: str) -> list[str]:
        """Existing tags that share words with the text, those that share most and are used most
        first."""
        counted = (
            sa.select(document_tags.c.tag, sa.func.count())
            .group_by(document_tags.c.tag)
            .order_by(sa.func.count().desc(), document_tags.c.tag)
        )
        with self._store.reading() as connection:
            known = [(str(tag), int(count)) for tag, count in connection.execute(counted)]
        there = {word.text for word in words(text)}
        scored = []
        for tag, count in known:
            own = {word.text for word in words(tag)}
            shared = len(own & there) / len(own) if own else 0.0
            if shared >= 0.5:
                scored.append((-shared, -count, tag))
        return [tag for _, _, tag in sorted(scored)[:CANDIDATES]]

    # --- for people ------------------------------------------------------------------------------

    def counts(self) -> list[dict[str, Any]]:
        counted = (
            sa.select(document_tags.c.tag, sa.func.count())
            .group_by(document_tags.c.tag)
            .order_by(sa.func.count().desc(), document_tags.c.tag)
        )
        with self._store.reading() as connection:
            return [{"tag": tag, "documents": count} for tag, count in connection.execute(counted)]

    def merge(self, tags: Iterable[str], to: str) -> int:
        """All documents that have one of `tags` have `to` instead; returns how many."""
        wanted = [tag for tag in dict.fromkeys(tags) if tag != to]
        with self._store.writing() as connection:
            chosen = (
                sa.select(document_tags.c.document, sa.func.max(sa.cast(GIVEN, sa.Integer)))
                .where(document_tags.c.tag.in_([*wanted, to]))
                .group_by(document_tags.c.document)
            )
            have = sa.select(document_tags.c.document).where(document_tags.c.tag.in_(wanted))
            moved = {row[0] for row in connection.execute(have)}
            given = {row[0]: bool(row[1]) for row in connection.execute(chosen)}
            connection.execute(
                sa.delete(document_tags).where(
                    document_tags.c.document.in_(moved) & document_tags.c.tag.in_([*wanted, to])
                )
            )
            rows = [
                {"document": document, "tag": to, "given": given[document]} for document in moved
            ]
            if rows:
                connection.execute(sa.insert(document_tags), rows)
        return len(moved)

    def give(self, document: str, tags: Sequence[str]) -> bool:
        """A person's own choice: these and no others."""
        with self._store.writing() as connection:
            known = sa.select(documents.c.id).where(documents.c.id == document)
            if connection.execute(known).first() is None:
                return False
            mine = document_tags.c.document == document
            connection.execute(sa.delete(document_tags).where(mine))
            rows = [{"document": document, "tag": tag, "given": True} for tag in cleaned(tags)]
            if rows:
                connection.execute(sa.insert(document_tags), rows)
        return True


GIVEN = document_tags.c.given


def following(job: Job) -> str:
    """The id of the job of tags that comes after this document's."""
    return f"{job.id}-{job.attempt}t"


def prompt(text: str, candidates: Sequence[str]) -> str:
    known = f"\nUse these where they fit: {', '.join(candidates)}." if candidates else ""
    return (
        "Give 3 to 7 tags for the following document as JSON, in the document's own language. "
        f'No generic ones. Use the format {{"tags": LIST}}.{known}\n\n{text}'
    )


def settled(suggested: Sequence[str], text: str, candidates: Sequence[str]) -> list[str]:
    """What is left of a model's suggestion: no generic tags, none in another language, an existing
    one where it means the same; and words of the text where too few are left."""
    existing = {_key(tag): tag for tag in reversed(candidates)}
    dense = len(_DENSE.findall(text)) > 0.2 * max(len(text.strip()), 1)
    made: dict[str, str] = {}
    for tag in cleaned(suggested):
        key = _key(tag)
        if _says_nothing(tag, text):
            continue
        foreign = _DENSE.search(tag) is None if dense else _DENSE.search(tag) is not None
        if key and fold(tag) not in GENERIC and not (foreign and fold(tag) not in fold(text)):
            made.setdefault(key, existing.get(key, tag))
    for tag in _frequent(text, dense):
        if len(made) >= FEWEST:
            break
        key = _key(tag)
        if fold(tag) not in GENERIC:
            made.setdefault(key, existing.get(key, tag))
    return list(made.values())[:MOST]


def _says_nothing(tag: str, text: str) -> bool:
    """Common words, and what is only said in the question."""
    said = fold(tag).replace("_", " ").split()
    if all(word in COMMON for word in said) and not tag.isupper():
        return True
    return all(word in TOLD for word in said) and fold(tag) not in fold(text)


def cleaned(tags: Sequence[str]) -> list[str]:
    plain = (" ".join(tag.replace("#", " ").split())[:LONGEST].strip(" .,;:\"'") for tag in tags)
    return list(dict.fromkeys(tag for tag in plain if tag))


def _key(tag: str) -> str:
    """Equal for tags that mean the same: without case, accents and endings."""
    return " ".join(word.text for word in words(tag))


def _frequent(text: str, dense: bool) -> list[str]:
    if dense:
        runs = re.findall(r"[\u3400-\u9fff]{2,6}", text)
        return [one for one, _ in Counter(runs).most_common(10)]
    found = [one for one in _LATIN_WORD.findall(text) if fold(one) not in COMMON]
    counted = Counter(fold(one) for one in found)
    order = sorted(counted, key=lambda one: (-counted[one], -len(one), one))
    return order[:10]
