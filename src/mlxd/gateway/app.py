"""The gateway's application: which path is served by what."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from mlxd.settings import ImageSettings, ServerSettings
from mlxd.supervisor.contract import Service, ServiceError

from . import plain
from .asgi import App
from .dialects.openai import chat, completions, schema
from .dialects.openai.messages import image_urls
from .embed import Embed
from .errors import ApiError, from_exception
from .generate import Dialect, Generate
from .guards.access import Access
from .guards.images import ImageLoader

CHAT = Dialect(
    schema.ChatRequest, lambda request: image_urls(request.messages), chat.submits, chat.Answer
)
COMPLETIONS = Dialect(
    schema.CompletionRequest,
    lambda request: (),
    lambda request, images: completions.submits(request),
    completions.Answer,
)


def create_app(
    service: Service,
    server: ServerSettings,
    images: ImageSettings,
    *,
    routes: Sequence[BaseRoute] = (),
) -> App:
    """`routes` are other rooms' own, served behind the same guards."""
    limits: dict[str, Any] = {
        "body_limit": server.body_limit,
        "body_timeout": server.body_timeout,
    }
    loader = ImageLoader(images)

    def generate(path: str, dialect: Dialect) -> Route:
        endpoint = Generate(service, dialect, loader, keep_alive=server.keep_alive, **limits)
        return Route(path, endpoint, methods=["POST"])

    app = Starlette(
        routes=[
            generate("/v1/chat/completions", CHAT),
            generate("/v1/completions", COMPLETIONS),
            Route("/v1/embeddings", Embed(service, **limits), methods=["POST"]),
            *plain.routes(service),
            Route("/openapi.json", _openapi),
            *routes,
        ],
        exception_handlers={
            HTTPException: _http_error,
            ServiceError: _error,
            ApiError: _error,
            Exception: _error,
        },
    )
    app.router.redirect_slashes = False
    return Access(app, server)


async def _openapi(request: Request) -> Response:
    from .openapi import document

    return Response(msgspec.json.encode(document()), media_type="application/json")


async def _error(request: Request, error: Exception) -> Response:
    made = from_exception(error)
    headers = {name.decode(): value.decode() for name, value in made.headers}
    return Response(made.body(), made.status, headers, "application/json")


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    method, path = request.method, request.url.path
    if error.status_code == HTTPStatus.NOT_FOUND:
        made = ApiError(404, f"There is nothing at {path}; /openapi.json lists what there is.")
    elif error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = (error.headers or {}).get("Allow", "another method")
        made = ApiError(405, f"{path} does not take {method}, but {allowed}.")
    else:
        made = ApiError(error.status_code, error.detail)
    return Response(made.body(), error.status_code, error.headers, "application/json")
