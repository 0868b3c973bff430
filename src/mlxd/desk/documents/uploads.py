"""Forms with files in them. What comes goes to the disk as it comes, beside where it is kept: the
system's own place for such files may be memory, and small."""

import errno
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO

from starlette.datastructures import FormData
from starlette.formparsers import MultiPartException
from starlette.requests import Request

from mlxd.desk.answers import Refused

_FULL = (errno.ENOSPC, errno.EDQUOT)


def come_to(folder: Path) -> None:
    """For this process, and so for the library that reads forms: it takes no folder."""
    tempfile.tempdir = str(folder)


@asynccontextmanager
async def form(request: Request, *, files: int) -> AsyncIterator[FormData]:
    """With at most so many files; they are gone at the end."""
    try:
        async with request.form(max_files=files, max_fields=max(files, 16)) as made:
            yield made
    except MultiPartException as error:
        raise Refused(400, f"The form can't be read: {error.message}") from error
    except OSError as error:
        if error.errno not in _FULL:
            raise
        told = f"The disk is full, so nothing was taken in: {error.strerror}. Make room for it."
        raise Refused(507, told, code="storage_full") from error


def keep(stream: BinaryIO, file: Path) -> None:
    with file.open("wb") as kept:
        shutil.copyfileobj(stream, kept)
