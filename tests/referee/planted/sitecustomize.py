"""Python reads this at the start of every process: here is where the tests plant their fault."""

import os
import sys
from typing import Any

WHERE = os.environ.get("PLANTED_IN", "")


def spoil(frame: Any) -> Any:
    import msgspec

    from mlxd import wire

    if not isinstance(frame, wire.Step):
        return frame
    small = [
        msgspec.structs.replace(
            one,
            text=one.text.lower(),
            logprobs=[msgspec.structs.replace(it, logprob=1.0) for it in one.logprobs],
        )
        for one in frame.events
    ]
    return wire.Step(small)


if WHERE == "engine" and "mlxd.engine" in sys.orig_argv:
    from mlxd.wire import EngineEnd

    send = EngineEnd.send
    EngineEnd.send = lambda self, frame: send(self, spoil(frame))  # type: ignore[method-assign]

if WHERE == "gateway" and "serve" in sys.orig_argv:
    from mlxd.wire import GatewayEnd

    receive = GatewayEnd.receive

    async def spoilt(self: GatewayEnd) -> Any:
        return spoil(await receive(self))

    GatewayEnd.receive = spoilt  # type: ignore[method-assign]
