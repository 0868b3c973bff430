"""OpenAI's error envelope, and which exception becomes which status."""

import logging
import math
import re
from http import HTTPStatus

import msgspec

from mlxd.supervisor.contract import (
    DeskUnavailable,
    Downloading,
    EngineUnavailable,
    NotCapable,
    NotKept,
    Overloaded,
    RemoteFailed,
    RequestFailed,
    ServiceError,
    UnknownCapability,
    UnknownModel,
)

logger = logging.getLogger(__name__)

_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    429: "rate_limit_error",
    503: "service_unavailable",
}

# A lock or a full disk is rarely gone sooner.
_STORE_RETRY_S = 5
# What the frames call something, where the API calls it otherwise.
_PARAMS = {"regex": "response_format.regex", "grammar": "response_format.grammar"}


class ErrorDetail(msgspec.Struct, frozen=True):
    message: str
    type: str
    param: str | None = None
    code: str | None = None


class ErrorBody(msgspec.Struct, frozen=True):
    error: ErrorDetail


class ApiError(Exception):
    """What the client gets instead of an answer. `close`: what is left of the request is unread,
    so that the connection cannot be used again."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_after: float | None = None,
        headers: list[tuple[bytes, bytes]] | None = None,
        close: bool = False,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code
        self.headers = list(headers or ())
        self.close = close
        if retry_after is not None:
            self.headers.append((b"retry-after", b"%d" % max(1, math.ceil(retry_after))))

    def body(self) -> bytes:
        kind = _TYPES.get(self.status)
        if kind is None:
            kind = "invalid_request_error" if self.status < 500 else "server_error"
        return msgspec.json.encode(
            ErrorBody(ErrorDetail(self.message, kind, self.param, self.code))
        )


def bad(message: str, param: str | None = None, code: str | None = None) -> ApiError:
    """A 400."""
    return ApiError(HTTPStatus.BAD_REQUEST, message, param=param, code=code)


def from_service(error: ServiceError) -> ApiError:
    text = str(error)
    if isinstance(error, UnknownModel):
        return ApiError(404, text, param="model", code="model_not_found")
    if isinstance(error, UnknownCapability):
        return ApiError(404, text, param="capability", code="capability_not_found")
    if isinstance(error, NotKept):
        return ApiError(503, text, code="state_not_kept", retry_after=_STORE_RETRY_S)
    if isinstance(error, DeskUnavailable):
        return ApiError(503, text, code="desk_unavailable", retry_after=error.retry_after)
    if isinstance(error, NotCapable):
        return bad(text, "model", "model_not_capable")
    if isinstance(error, Overloaded):
        return ApiError(429, text, code="overloaded", retry_after=error.retry_after)
    if isinstance(error, Downloading):
        return ApiError(503, text, code="model_downloading", retry_after=error.retry_after)
    if isinstance(error, EngineUnavailable):
        return ApiError(503, text, code="engine_unavailable", retry_after=error.retry_after)
    if isinstance(error, RemoteFailed):
        return ApiError(error.status, text, code=error.code, retry_after=error.retry_after)
    if isinstance(error, RequestFailed):
        return _from_failed(error)
    return ApiError(500, text)


def image_too_large(place: str, limit: int) -> ApiError:
    told = f"{place}: the image is over the limit of {limit} bytes (setting images.byte_limit)."
    return bad(told, place, "image_too_large")


def _place(param: str | None) -> str | None:
    """The frames' tools.0 is the API's tools[0]."""
    return param and re.sub(r"\.(\d+)\b", r"[\1]", _PARAMS.get(param, param))


def _from_failed(error: RequestFailed) -> ApiError:
    failed = error.failed
    param = _place(failed.param)
    if failed.blame == "client":
        return bad(failed.message, param, failed.code)
    if failed.blame == "memory":
        # "…_exceeded": no amount of waiting makes it fit, so that retrying would only hurt.
        if failed.code is not None and failed.code.endswith("_exceeded"):
            return bad(failed.message, param, failed.code)
        return ApiError(503, failed.message, code=failed.code or "out_of_memory", retry_after=5)
    return ApiError(500, failed.message, param=param, code=failed.code or "engine_error")


def from_exception(error: Exception) -> ApiError:
    """For everything that an endpoint raises; what nobody foresaw is logged and a 500."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, ServiceError):
        return from_service(error)
    logger.error("a request ended in a defect of the gateway", exc_info=error)
    return ApiError(
        500, f"A defect in mlxd: {type(error).__name__}: {error}", code="internal_error"
    )
