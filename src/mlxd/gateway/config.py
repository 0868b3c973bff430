"""How uvicorn serves the gateway."""

from typing import Any

import uvicorn

from mlxd.settings import ServerSettings

from .asgi import App
from .protocol import protocol


def uvicorn_config(app: App, server: ServerSettings, **more: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=protocol(server.header_timeout),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        **more,
    )
