"""Models as OpenAI's list shows them, with what else is known of each."""

from typing import Any

from mlxd.supervisor.contract import ModelCard

from . import schema


def shown(card: ModelCard, certificate: dict[str, Any] | None = None) -> schema.Model:
    return schema.Model(
        id=card.id,
        created=card.created,
        owned_by=card.owned_by,
        aliases=card.aliases,
        capabilities=card.capabilities,
        context_length=card.context,
        state=card.state,
        path=card.path,
        size_bytes=card.size_bytes,
        detail=card.detail,
        certificate=certificate,
    )
