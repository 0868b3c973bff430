"""The endpoints that only report: models, health, readiness, status, metrics."""

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from mlxd.supervisor.contract import Service

from .dialects.openai import models, schema

# How soon it is worth asking again whether a model is loaded.
_READY_RETRY_SECONDS = 2


def json_response(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(value), status, headers, "application/json")


def routes(service: Service) -> list[BaseRoute]:
    async def list_models(request: Request) -> Response:
        data = [models.shown(card, service.certificate(card.id)) for card in service.models()]
        return json_response(schema.ModelList(data))

    async def one_model(request: Request) -> Response:
        card = service.find(request.path_params["model_id"])
        return json_response(models.shown(card, service.certificate(card.id)))

    async def health(request: Request) -> Response:
        return json_response({"status": "ok"})

    async def ready(request: Request) -> Response:
        if service.ready():
            return json_response({"ready": True})
        return json_response({"ready": False}, 503, {"retry-after": str(_READY_RETRY_SECONDS)})

    async def status(request: Request) -> Response:
        return json_response(service.status())

    async def metrics(request: Request) -> Response:
        body, kind = service.metrics()
        return Response(body, headers={"content-type": kind})

    return [
        Route("/v1/models", list_models),
        Route("/v1/models/{model_id:path}", one_model),
        Route("/health", health),
        Route("/ready", ready),
        Route("/status", status),
        Route("/metrics", metrics),
    ]
