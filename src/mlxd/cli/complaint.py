class Complaint(Exception):
    """Something the user can mend: printed without a traceback, ends with `code`."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code
