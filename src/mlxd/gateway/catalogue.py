"""The catalogue over HTTP: what is on this machine, what is to be had, and removing a download."""

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import msgspec
from starlette.routing import BaseRoute, Route

from mlxd.catalog import PILOT, Catalogue, NameUnknown, rows
from mlxd.catalog.pull.places import downloading
from mlxd.catalog.pull.remove import Removal, plan, remove
from mlxd.settings import ServerSettings

from .admin import Administration
from .asgi import Receive, Scope, Send, send_json
from .endpoint import Endpoint
from .errors import ApiError

AT_REST = ("stopped", "failed")


class _Shelf(Endpoint):
    def __init__(
        self, catalogue: Callable[[], Catalogue], admin: Administration, **limits: Any
    ) -> None:
        super().__init__(**limits)
        self._catalogue = catalogue
        self._admin = admin


class _Listing(_Shelf):
    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        made = await asyncio.to_thread(_rows, self._catalogue())
        await send_json(send, msgspec.json.encode({"models": made}))


def _rows(catalogue: Catalogue) -> list[dict[str, Any]]:
    here = [rows.here(one) for one in catalogue.found()]
    there = {row["id"] for row in here}
    known = [rows.known(one) for one in catalogue.known_models() if one.hub not in there]
    return [*here, *known]


class _Remove(_Shelf):
    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        hub_id = self._hub_id(scope["path_params"]["model_id"])
        self._check_use(hub_id)
        removal = await asyncio.to_thread(self._remove, hub_id)
        files = len(removal.blobs) + len(removal.partials)
        made = {"model": hub_id, "files": files, "freed": removal.freed, "kept": removal.kept}
        await send_json(send, msgspec.json.encode(made))

    def _hub_id(self, name: str) -> str:
        told = f"{name} was not downloaded by mlxd, so mlxd does not remove it."
        if name.casefold() == PILOT:
            raise ApiError(HTTPStatus.CONFLICT, told, param="model_id", code="not_ours")
        try:
            return self._catalogue().hub_id(name)
        except NameUnknown as error:
            code = "model_not_found"
            raise ApiError(HTTPStatus.NOT_FOUND, told, param="model_id", code=code) from error

    def _check_use(self, hub_id: str) -> None:
        made = self._admin.assignments()
        serves = [name for name, one in made["capabilities"].items() if one["model_id"] == hub_id]
        state = made["models"].get(hub_id, {}).get("state", "stopped")
        why = [f"serves {', '.join(serves)}"] if serves else []
        if state not in AT_REST:
            why.append(f"is {state}")
        if why:
            told = f"{hub_id} {' and '.join(why)}. Assign another model first, or stop it."
            raise ApiError(HTTPStatus.CONFLICT, told, param="model_id", code="model_in_use")

    def _remove(self, hub_id: str) -> Removal:
        if downloading(hub_id) is not None:
            told = f"{hub_id} is being downloaded just now; end that first."
            raise ApiError(HTTPStatus.CONFLICT, told, param="model_id", code="model_in_use")
        removal = plan(hub_id)
        if removal.is_empty:
            kept = f": {', '.join(removal.kept)}" if removal.kept else ""
            told = f"mlxd has downloaded nothing of {hub_id}{kept}, so there is nothing to remove."
            raise ApiError(HTTPStatus.NOT_FOUND, told, param="model_id", code="model_not_found")
        remove(removal)
        return removal


def routes(
    catalogue: Callable[[], Catalogue], admin: Administration, server: ServerSettings
) -> list[BaseRoute]:
    limits: dict[str, Any] = {
        "body_limit": server.body_limit,
        "body_timeout": server.body_timeout,
    }
    return [
        Route("/models/catalogue", _Listing(catalogue, admin, **limits), methods=["GET"]),
        Route(
            "/models/catalogue/{model_id:path}",
            _Remove(catalogue, admin, **limits),
            methods=["DELETE"],
        ),
    ]
