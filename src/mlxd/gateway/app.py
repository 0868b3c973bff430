"""The gateway's application: which path is served by what."""

from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from mlxd.settings import ImageSettings, ServerSettings
from mlxd.supervisor.contract import Service

from .dialects.openai import chat, completions, schema
from .dialects.openai.messages import image_urls
from .errors import ApiError
from .generate import Dialect, Generate
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
) -> Starlette:
    loader = ImageLoader(images)
    limits: dict[str, Any] = {
        "body_limit": server.body_limit,
        "body_timeout": server.body_timeout,
        "keep_alive": server.keep_alive,
    }
    routes: list[BaseRoute] = [
        Route("/v1/chat/completions", Generate(service, CHAT, loader, **limits), methods=["POST"]),
        Route(
            "/v1/completions", Generate(service, COMPLETIONS, loader, **limits), methods=["POST"]
        ),
    ]
    return Starlette(routes=routes, exception_handlers={HTTPException: _http_error})


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    made = ApiError(error.status_code, error.detail)
    return Response(made.body(), error.status_code, error.headers, "application/json")
