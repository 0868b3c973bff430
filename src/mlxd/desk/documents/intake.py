"""Files come in: what is new or changed gets a job, what is unchanged is left alone."""

import os
import stat
from pathlib import Path
from typing import Any, BinaryIO, Literal
from urllib.parse import quote

import msgspec
import sqlalchemy as sa

from mlxd.desk.answers import Refused
from mlxd.settings import DocumentSettings

from .files import Files, document_id
from .jobs import Jobs
from .kinds import SUFFIXES
from .ledger import Ledger, Priority
from .publish import Publisher
from .store import Store, document_tags, documents, jobs, now, parents

# What a file system allows, and more than anyone reads.
LONGEST_NAME = 255
# Of one request for a folder.
MOST_FILES = 10_000

What = Literal["new", "changed", "unchanged"]


class Taken(msgspec.Struct, frozen=True):
    id: str
    name: str
    what: What
    job: str | None


class Left(msgspec.Struct, frozen=True):
    """A file that could not be taken, and why."""

    name: str
    reason: str
    code: str | None


class Intake:
    def __init__(
        self,
        settings: DocumentSettings,
        store: Store,
        files: Files,
        ledger: Ledger,
        jobs: Jobs,
        publisher: Publisher,
    ) -> None:
        self._settings = settings
        self._store = store
        self._files = files
        self._ledger = ledger
        self._jobs = jobs
        self._publisher = publisher

    def take(
        self, stream: BinaryIO, name: str, source: str | None, priority: Priority, tags: list[str]
    ) -> Taken:
        name = _plain_name(name)
        try:
            file, revision, size = self._files.take(stream, self._settings.upload_limit)
        except ValueError as error:
            told = f"{name}: {error} (setting documents.upload_limit)."
            raise Refused(413, told, code="body_too_large") from error
        document = document_id(source, revision)
        try:
            with self._store.writing() as connection:
                self._store.lock(connection, document)
                known = _row(connection, document)
                working = _job(connection, document, revision)
                if working is None:
                    # Before the job can run, and never while the same revision is being read.
                    self._files.keep(file, document, revision)
                taken, ended = self._note(
                    connection, known, working, document, revision, name, source, size, priority
                )
                _tag(connection, document, tags)
        finally:
            file.unlink(missing_ok=True)
        for pointless in ended:
            self._jobs.interrupt(pointless)
        self._ledger.announce()
        if taken.what != "unchanged" and taken.job is not None:
            job = self._ledger.get(taken.job)
            assert job is not None
            self._jobs.enqueue(job)
        return taken

    def _note(
        self,
        connection: sa.Connection,
        known: dict[str, Any] | None,
        working: str | None,
        document: str,
        revision: str,
        name: str,
        source: str | None,
        size: int,
        priority: Priority,
    ) -> tuple[Taken, list[str]]:
        """Which job it gets, and which jobs have become pointless."""
        if known is not None and known["wanted"] == revision:
            if working is not None:
                return Taken(document, name, "unchanged", working), []
            if known["revision"] == revision:
                return Taken(document, name, "unchanged", None), []
        ended = self._ledger.cancel_of(connection, document, "a newer version has come")
        values = {"name": name, "bytes": size, "wanted": revision}
        if known is None:
            made = {"id": document, "source": source, "type": "", "added": now(), **values}
            connection.execute(sa.insert(documents).values(**made))
        else:
            here = documents.c.id == document
            connection.execute(sa.update(documents).where(here).values(**values))
        if known is not None and known["revision"] == revision:
            # Back to what is found already.
            return Taken(document, name, "unchanged", None), ended
        job = self._ledger.add(
            connection,
            kind="document",
            document=document,
            name=name,
            revision=revision,
            priority=priority,
        )
        return Taken(document, name, "changed" if known else "new", job), ended

    # --- files by their path -------------------------------------------------------------------

    def from_path(
        self, text: str, priority: Priority, tags: list[str]
    ) -> tuple[list[Taken], list[Left]]:
        """What was taken; and of a folder, what can't be, which keeps nothing else from coming."""
        path = self._allowed(text)
        if not path.is_dir():
            return [self._from_file(path, priority, tags)], []
        taken, left = [], []
        for file in _files_below(path):
            try:
                taken.append(self._from_file(file, priority, tags))
            except Refused as error:
                name = os.fsencode(file).decode(errors="replace")
                left.append(Left(name, str(error), error.code))
        return taken, left

    def _from_file(self, file: Path, priority: Priority, tags: list[str]) -> Taken:
        root = self._root_of(file)
        try:
            handle = open_below(root or file, file)
        except OSError as error:
            named = os.fsencode(file).decode(errors="replace")
            raise Refused(400, f"{named} can't be read: {error.strerror}.", param="path") from error
        with os.fdopen(handle, "rb") as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise Refused(400, f"{file} is no regular file.", param="path")
            name = os.fsencode(file.name).decode(errors="replace")
            return self.take(stream, name, file_source(file), priority, tags)

    def _root_of(self, path: Path) -> Path | None:
        roots = [root.expanduser().resolve() for root in self._settings.roots]
        return next((root for root in roots if path.is_relative_to(root)), None)

    def _allowed(self, text: str) -> Path:
        if not self._settings.roots:
            raise Refused(
                403,
                "Files are read by their path only below the folders of the setting "
                "documents.roots, and there are none. Upload the file instead.",
                param="path",
                code="path_not_allowed",
            )
        if "\0" in text or not text:
            raise Refused(400, "That is no path.", param="path", code="invalid_value")
        given = Path(text).expanduser()
        # Links are followed first: where it leads is what counts.
        path = given.resolve()
        if self._root_of(path) is None:
            raise Refused(
                403,
                f"{text} is not below a folder of the setting documents.roots.",
                param="path",
                code="path_not_allowed",
            )
        if not path.exists():
            raise Refused(404, f"There is no file {text}.", param="path", code="file_not_found")
        return path

    # --- removing ------------------------------------------------------------------------------

    def remove(self, document: str) -> bool:
        with self._store.writing() as connection:
            self._store.lock(connection, document)
            if _row(connection, document) is None:
                return False
            ended = self._ledger.cancel_of(connection, document, "the document was removed")
            for table, column in (
                (document_tags, document_tags.c.document),
                (parents, parents.c.document),
                (documents, documents.c.id),
            ):
                connection.execute(sa.delete(table).where(column == document))
        for job in ended:
            self._jobs.interrupt(job)
        self._ledger.announce()
        self._publisher.remove(document)
        return True


def open_below(root: Path, file: Path) -> int:
    """A handle of a file without links on its way, so that nothing is put in the place of a folder
    or of the file after it was looked at."""
    folder = os.open(root, _ONLY_PASSED) if root != file else None
    try:
        for part in file.relative_to(root).parts[:-1]:
            below = os.open(part, _ONLY_PASSED | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
            if folder is not None:
                os.close(folder)
            folder = below
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
        return os.open(file.name if root != file else file, flags, dir_fd=folder)
    finally:
        if folder is not None:
            os.close(folder)


# For a folder that may be gone through and not listed, where the system knows the difference.
_ONLY_PASSED = getattr(os, "O_PATH", os.O_RDONLY)


def file_source(file: Path) -> str:
    """RFC 8089: the machine belongs to it, as two of them may have a file at the same place."""
    import socket

    return f"file://{socket.gethostname()}{quote(os.fsencode(file))}"


def _plain_name(name: str) -> str:
    """Of what a client calls a file, only what can be shown; it is never used as a path."""
    plain = "".join(c for c in name.replace("\\", "/").rpartition("/")[2] if c.isprintable())
    plain = plain.strip()[:LONGEST_NAME]
    if not plain or plain in (".", ".."):
        raise Refused(400, "The file needs a name.", param="file", code="invalid_value")
    return plain


def _files_below(folder: Path) -> list[Path]:
    """Supported files, without following links, in a fixed order; no pipes and devices."""
    found = []
    for where, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            file = Path(where, name)
            if Path(name).suffix.lower() in SUFFIXES and _is_file(file):
                found.append(file)
        if len(found) > MOST_FILES:
            raise Refused(400, f"{folder} has more than {MOST_FILES} files.", param="path")
    return found


def _is_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:  # gone meanwhile
        return False


def _row(connection: sa.Connection, document: str) -> dict[str, Any] | None:
    chosen = sa.select(documents).where(documents.c.id == document)
    row = connection.execute(chosen).mappings().first()
    return None if row is None else dict(row)


def _job(connection: sa.Connection, document: str, revision: str) -> str | None:
    """The job that is at work on just this."""
    mine = (jobs.c.document == document) & (jobs.c.revision == revision)
    live = jobs.c.state.in_(("queued", "running", "waiting", "paused"))
    chosen = sa.select(jobs.c.id).where(mine & live & (jobs.c.kind == "document"))
    found: str | None = connection.execute(chosen).scalar()
    return found


def _tag(connection: sa.Connection, document: str, tags: list[str]) -> None:
    for tag in dict.fromkeys(one.strip() for one in tags if one.strip()):
        mine = (document_tags.c.document == document) & (document_tags.c.tag == tag)
        connection.execute(sa.delete(document_tags).where(mine))
        made = sa.insert(document_tags).values(document=document, tag=tag, given=True)
        connection.execute(made)
