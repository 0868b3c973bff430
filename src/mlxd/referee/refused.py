"""What the engine refused, as an answer."""

from starlette.responses import JSONResponse

from mlxd import wire


class Refused(Exception):
    def __init__(self, failed: wire.Failed) -> None:
        super().__init__(failed.message)
        self.failed = failed


def refusal(refused: Refused) -> JSONResponse:
    status = 400 if refused.failed.blame == "client" else 500
    error = {"message": str(refused), "type": refused.failed.blame}
    return JSONResponse({"error": error}, status)
