"""The endpoint behind embeddings."""

import msgspec

from mlxd import wire
from mlxd.supervisor.contract import Service

from .asgi import Receive, Scope, Send, UntilDisconnect, ignored_header, send_json
from .dialects.openai import embeddings, schema
from .dialects.openai.common import priority
from .dialects.openai.decode import decode
from .endpoint import Endpoint
from .forward import forward


class Embed(Endpoint):
    def __init__(self, service: Service, *, body_limit: int, body_timeout: float) -> None:
        super().__init__(body_limit=body_limit, body_timeout=body_timeout)
        self._service = service

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await self.read_json(scope, receive)
        if (model := self.elsewhere(self._service, body)) is not None:
            await forward(model, body, scope, receive, send)
            return
        request, ignored = decode(schema.EmbeddingRequest, body)
        async with UntilDisconnect(receive):
            inputs = embeddings.inputs(request)
            card = self._service.resolve(request.model, needs="embedding")
            embed = wire.Embed(0, inputs, priority(request.service_tier))
            embedded = await self._service.embed(card, embed)
            made = msgspec.json.encode(await embeddings.answer(request, card.id, embedded))
            await send_json(send, made, headers=ignored_header(ignored))
