"""A download from beginning to end, in a process of its own: one model, one at a time on this
machine."""

import contextlib
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from pathlib import Path

import httpx2
import msgspec
from huggingface_hub.errors import HfHubHTTPError

from mlxd.capabilities import is_for_vectors
from mlxd.catalog import hub
from mlxd.catalog.architectures import unsupported
from mlxd.catalog.folder import BrokenModel, inspect

from . import choose, links, places, record, remote, trouble
from .events import Event, Rate, State, Trouble
from .fetch import Content, Fetch
from .places import Lock
from .remote import Remote, RemoteFile
from .trouble import PullFailed

# At once: small files cost a round trip each, and one connection seldom fills a line.
CONNECTIONS = 4
# Between two events, of which each costs whoever shows it a little.
EVENT_S = 1.0
# How often it is looked whether the other process that downloads this model is done.
LOOK_S = 0.5
# How often it is written down what has come: a repository may have ten thousand small files.
RECORD_S = 1.0
# Left free beside the files themselves.
SPARE_BYTES = 100_000_000

Tell = Callable[[Event], None]


class Pull:
    """`tell` gets the events, at most one in EVENT_S but for the last. `stop` ends it early; what
    has come stays for the next time."""

    def __init__(self, hub_id: str, known: list[str], tell: Tell, stop: threading.Event) -> None:
        self._hub_id = hub_id
        self._known = known
        self._tell = tell
        self._stop = stop
        self._lock = Lock(hub_id)
        self._event = Event(model=hub_id, state="resolving")
        self._changes = threading.Lock()
        self._came = 0
        self._done = 0
        self._waiting: str | None = None
        self._over = threading.Event()
        # One file can't be had, so the others need not come.
        self._failed = threading.Event()

    def run(self) -> Event:
        """The last event, which was told too."""
        teller = threading.Thread(target=self._keep_telling, daemon=True)
        teller.start()
        try:
            last = self._run()
        except PullFailed as error:
            last = self._now("failed", error=Trouble(error.code, error.message))
        except _Stopped:
            last = self._now("cancelled", message="Stopped; the next pull goes on from here.")
        finally:
            self._over.set()
            teller.join()
        self._tell(last)
        return last

    def _run(self) -> Event:
        try:
            self._take_turn()
            return self._pull()
        except (httpx2.HTTPError, HfHubHTTPError) as error:
            raise remote.explained(error, self._hub_id, self._known) from error
        except OSError as error:
            raise trouble.from_os(error, hub.repository(self._hub_id)) from error
        finally:
            self._lock.release()

    def _take_turn(self) -> None:
        while not self._lock.take():
            other = self._lock.told()
            if other is not None:
                with self._changes:
                    self._event = msgspec.structs.replace(
                        other, message="another mlxd downloads it already"
                    )
                    self._done = other.done
            self._pause(LOOK_S)
        with self._changes:
            self._event = Event(model=self._hub_id, state="resolving", done=self._done)

    def _pull(self) -> Event:
        if trouble.is_offline():
            return self._without_the_hub(None)
        trouble.check_endpoint()
        try:
            found = remote.look_up(self._hub_id, self._known, self._wait)
        except PullFailed as error:
            if error.code == "hub_unreachable":
                return self._without_the_hub(error)
            raise
        names = [file.name for file in found.files]
        if why := choose.why_none(names):
            raise PullFailed(
                "not_servable",
                f"{self._hub_id} can't be served: {why}. Look for a conversion of it to MLX, for "
                f"example mlx-community/{self._hub_id.rpartition('/')[2]}-4bit.",
            )
        wanted = [file for file in found.files if choose.is_wanted(file.name)]
        for file in wanted:
            if file.size is None:
                raise PullFailed("hub_wrong", f"{trouble.endpoint()} gives no size of {file.name}.")
        links.check_names(wanted)
        return self._get(found, wanted)

    def _get(self, found: Remote, wanted: list[RemoteFile]) -> Event:
        kept = record.read(self._hub_id)
        self._begin(wanted)
        blobs = places.blobs(self._hub_id)
        lacking = [file for file in wanted if not self._is_here(file, blobs / file.blob, kept)]
        self._count_here(len(wanted) - len(lacking), lacking, wanted)
        self._check_room(lacking)
        fetch = Fetch(self._hub_id, found.commit, self._wait, self._on_bytes)
        first = [file for file in lacking if not choose.is_weights(file.name)]
        self._fetch_all(first, fetch, kept)
        self._check_architecture(wanted)
        rest = [file for file in lacking if choose.is_weights(file.name)]
        self._fetch_all(rest, fetch, kept)
        folder = links.place(self._hub_id, found.commit, wanted)
        kept.note_commit(found.commit)
        record.write(self._hub_id, kept)
        return self._judge(folder, "downloaded and verified" if lacking else "here already")

    # --- what is here, and what is lacking ------------------------------------------------------

    def _is_here(self, file: RemoteFile, blob: Path, kept: record.Record) -> bool:
        """Whole and verified; what others put there is verified once."""
        try:
            if blob.stat().st_size != file.size:
                return False
        except OSError:
            return False
        if kept.is_verified(blob) or not file.has_hash:
            return True
        self._change(state="verifying")
        content = Content(file)
        with blob.open("rb") as data:
            while portion := data.read(1 << 20):
                content.add(portion)
                self._check_stop()
        if content.fits(file.blob):
            kept.note(blob, ours=False)
            return True
        return False

    def _begin(self, wanted: list[RemoteFile]) -> None:
        total = sum(_size(file) for file in wanted)
        self._change(state="downloading", total=total, files_total=len(wanted))

    def _count_here(self, here: int, lacking: list[RemoteFile], wanted: list[RemoteFile]) -> None:
        # What is there twice comes once.
        done = sum(_size(file) for file in wanted) - sum(_size(one) for one in _distinct(lacking))
        for file in _distinct(lacking):
            part = places.partial(self._hub_id, file.blob)
            done += part.stat().st_size if part.exists() else 0
        with self._changes:
            self._done = done
        self._change(state="downloading", files_done=here)

    def _check_room(self, lacking: list[RemoteFile]) -> None:
        needed = 0
        for file in _distinct(lacking):
            part = places.partial(self._hub_id, file.blob)
            needed += _size(file) - (part.stat().st_size if part.exists() else 0)
        place = hub.hub_cache()
        place.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(place).free
        if needed and needed + SPARE_BYTES > free:
            raise trouble.no_room(needed + SPARE_BYTES, free, place)

    def _check_architecture(self, wanted: list[RemoteFile]) -> None:
        """Before the weights: forty gigabytes are much for learning that nothing runs it."""
        blob = next(file.blob for file in wanted if file.name == "config.json")
        try:
            config = msgspec.json.decode((places.blobs(self._hub_id) / blob).read_bytes())
        except msgspec.DecodeError as error:
            raise PullFailed("not_servable", f"config.json is no valid JSON ({error}).") from error
        if not isinstance(config, dict):
            raise PullFailed("not_servable", "config.json holds no JSON object.")
        names = [file.name for file in wanted]
        embedding = is_for_vectors(self._hub_id.rpartition("/")[2], names, config)
        why = unsupported(config, embedding=embedding)
        if why:
            raise PullFailed(
                "not_servable", f"{self._hub_id} can't be served, and was not downloaded: {why}."
            )

    def _fetch_all(self, files: list[RemoteFile], fetch: Fetch, kept: record.Record) -> None:
        if not files:
            return
        names = Counter(file.blob for file in files)

        def one(file: RemoteFile) -> None:
            blob = fetch.fetch(file)
            with self._changes:
                kept.note(blob, ours=True)
                done = self._event.files_done + names[file.blob]
                self._event = msgspec.structs.replace(self._event, files_done=done)

        pool = ThreadPoolExecutor(CONNECTIONS)
        tasks = [pool.submit(one, file) for file in _distinct(files)]
        try:
            self._until_fetched(tasks, kept)
        except BaseException:
            self._failed.set()
            # One that waits for the hub need not be waited for: the process ends.
            pool.shutdown(wait=False, cancel_futures=True)
            # On a full disk this fails too, and what failed first is told.
            with contextlib.suppress(OSError):
                self._write(kept)
            raise
        pool.shutdown()
        self._write(kept)

    def _until_fetched(self, tasks: "list[Future[None]]", kept: record.Record) -> None:
        left: set[Future[None]] = set(tasks)
        while left:
            ended, left = wait(left, timeout=RECORD_S, return_when=FIRST_EXCEPTION)
            errors = [error for task in ended if (error := task.exception())]
            if errors:
                raise min(errors, key=lambda error: isinstance(error, _Stopped))
            if self._stop.is_set():
                raise _Stopped
            if left:
                self._write(kept)

    def _write(self, kept: record.Record) -> None:
        with self._changes:
            record.write(self._hub_id, kept)

    # --- the end ----------------------------------------------------------------------------------

    def _judge(self, folder: Path, told: str) -> Event:
        """Whether it can be served, now that it is here."""
        try:
            entry = inspect(folder, name=self._hub_id)
        except BrokenModel as error:
            raise PullFailed(
                "not_servable",
                f"{self._hub_id} is here now, and can't be served: {'; '.join(error.reasons)}.",
            ) from error
        can = ", ".join(entry.capabilities)
        return self._now("done", message=f"{self._hub_id} is {told}. It can: {can}.", path=folder)

    def _without_the_hub(self, why: PullFailed | None) -> Event:
        """What is here is enough, or it is said what is missing."""
        lacking = f"nothing of {self._hub_id} is on this machine"
        for revision in hub.revisions(self._hub_id):
            try:
                inspect(revision.path, name=self._hub_id)
            except BrokenModel as error:
                lacking = f"{self._hub_id} is not whole here: {'; '.join(error.reasons)}"
                continue
            return self._now(
                "done",
                message=f"{self._hub_id} is here already; whether there is a newer one can't be "
                f"asked ({'offline mode' if why is None else 'the hub does not answer'}).",
                path=revision.path,
            )
        if why is not None:
            raise why
        left = sum(places.partials(self._hub_id).values())
        part = f"; {left / 1e6:.0f} MB of a download are here" if left else ""
        raise trouble.offline(self._hub_id, lacking + part)

    # --- telling ----------------------------------------------------------------------------------

    def _on_bytes(self, number: int) -> None:
        self._check_stop()
        with self._changes:
            self._came += max(0, number)
            self._done += number
            self._waiting = None

    def _wait(self, why: str, seconds: float) -> None:
        with self._changes:
            self._waiting = f"{why}; going on in {max(1, round(seconds))} s"
        self._pause(seconds)

    def _pause(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise _Stopped

    def _check_stop(self) -> None:
        if self._stop.is_set() or self._failed.is_set():
            raise _Stopped

    def _change(self, *, state: State, **changes: int) -> None:
        with self._changes:
            self._event = msgspec.structs.replace(self._event, state=state, **changes)

    def _now(
        self,
        state: State | None = None,
        *,
        message: str | None = None,
        path: Path | None = None,
        error: Trouble | None = None,
        rate: float | None = None,
    ) -> Event:
        with self._changes:
            before = self._event
            # Never less than was told before, though some of it may have to come again.
            done = max(before.done, self._done)
            if before.total is not None:
                done = before.total if state == "done" else min(done, before.total)
            left = (before.total or 0) - self._done
            made = msgspec.structs.replace(
                before,
                state=state or ("waiting" if self._waiting else before.state),
                done=done,
                rate=rate,
                seconds_left=left / rate if rate and before.total else None,
                message=message or self._waiting or before.message,
                path=str(path) if path else msgspec.UNSET,
                error=error or msgspec.UNSET,
            )
            self._event = msgspec.structs.replace(before, done=done)
            return made

    def _keep_telling(self) -> None:
        rate = Rate()
        while True:
            with self._changes:
                came = self._came
            event = self._now(rate=rate.at(came))
            if self._lock.is_mine:
                self._lock.tell(event)
            self._tell(event)
            if self._over.wait(EVENT_S):
                return


class _Stopped(Exception):
    """Somebody wants it to end."""


def _size(file: RemoteFile) -> int:
    return file.size or 0


def _distinct(files: Iterable[RemoteFile]) -> list[RemoteFile]:
    """One of each content."""
    return list({file.blob: file for file in files}.values())
