"""The endpoint behind embeddings."""

import msgspec

from mlxd import wire
from mlxd.supervisor.contract import Service

from .asgi import Receive, Scope, Send, UntilDisconnect, ignored_header, send_json
from .dialects.openai import embeddings, schema
from .dialects.openai.common import priority
from .dialects.openai.decode import decode
from .endpoint import Endpoint


class Embed(Endpoint):
    def __init__(self, service: Service, *, body_limit: int, body_timeout: float) -> None:
        super().__init__(body_limit=body_limit, body_timeout=body_timeout)
        self._service = service

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        request, ignored = decode(schema.EmbeddingRequest, await self.read_json(scope, receive))
        async with UntilDisconnect(receive):
            inputs = embeddings.inputs(request)
            card = self._service.resolve(request.model, needs="embedding")
            embed = wire.Embed(0, inputs, priority(request.service_tier))
            embedded = await self._service.embed(card, embed)
            body = msgspec.json.encode(embeddings.answer(request, card.id, embedded))
            await send_json(send, body, headers=ignored_header(ignored))
