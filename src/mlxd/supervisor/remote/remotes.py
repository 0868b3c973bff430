"""All servers elsewhere: which of them has a model, and how they fare."""

import asyncio
import time
from collections.abc import Iterable, Sequence
from typing import Any

from mlxd.remotes import RemoteSettings
from mlxd.supervisor.contract import ModelCard
from mlxd.supervisor.counts import Counts

from .endpoint import Remote, RemoteModel


class Remotes:
    def __init__(self, declared: Sequence[RemoteSettings], queue_limit: int) -> None:
        self._limit = queue_limit
        self._since = int(time.time())
        self._all = {one.name: Remote(one, queue_limit) for one in declared}
        # Their settings are gone or others now; what they still answer is let through.
        self._leaving: set[asyncio.Task[None]] = set()

    def find(self, model: str) -> RemoteModel | None:
        for remote in self._all.values():
            if model in remote.declared.models:
                return RemoteModel(remote, model)
        return None

    def replace(self, declared: Sequence[RemoteSettings], drain_s: float) -> list[str]:
        """Other settings; those that stay as they were keep their connections and what is known of
        them. Returns the names of the others."""
        kept = {
            one.name: self._all[one.name]
            for one in declared
            if one.name in self._all and self._all[one.name].declared == one
        }
        gone = [remote for name, remote in self._all.items() if name not in kept]
        fresh = [one.name for one in declared if one.name not in kept]
        self._all = {one.name: kept.get(one.name) or Remote(one, self._limit) for one in declared}
        for remote in gone:
            task = asyncio.create_task(remote.close(drain_s), name=f"{remote.declared.name} leaves")
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)
        return list(dict.fromkeys([*fresh, *(one.declared.name for one in gone)]))

    def cards(self) -> list[ModelCard]:
        return [self.card(RemoteModel(remote, name)) for remote, name in self._each()]

    def card(self, model: RemoteModel) -> ModelCard:
        declared = model.remote.declared
        return ModelCard(
            id=model.name,
            capabilities=list(declared.capabilities),
            context=declared.context,
            created=self._since,
            owned_by=declared.name,
            state=model.remote.state,
            detail={"remote": declared.name, "model": declared.models[model.name]},
        )

    def report(self) -> dict[str, Any]:
        """What /status shows. The key's variable is named, its value never."""
        return {
            name: {
                "url": remote.declared.url,
                "state": remote.state,
                "models": dict(remote.declared.models),
                "key_env": remote.declared.key_env,
                "running": remote.running,
                "waiting": remote.waiting,
                "requests": sum(one.requests for one in remote.counts.values()),
                "failed": sum(one.failed for one in remote.counts.values()),
                "asked_again": remote.again,
                "tokens_in": sum(one.tokens_in for one in remote.counts.values()),
                "tokens_out": sum(one.tokens_out for one in remote.counts.values()),
                "last_error": remote.last_error,
            }
            for name, remote in self._all.items()
        }

    def counts(self) -> list[tuple[str, Counts]]:
        return [(name, remote.counts[name]) for remote, name in self._each()]

    def all(self) -> list[Remote]:
        return list(self._all.values())

    def _each(self) -> Iterable[tuple[Remote, str]]:
        for remote in self._all.values():
            for name in remote.declared.models:
                yield remote, name

    def hurry(self) -> None:
        for remote in self._all.values():
            remote.hurry()

    async def close(self, drain_s: float) -> None:
        await asyncio.gather(*(remote.close(drain_s) for remote in self._all.values()))
        await asyncio.gather(*self._leaving)
