"""`python -m mlxd.doctor`: the examination as the gateway has it done, beside itself.

One line of JSON comes in, one object goes out. The input stays open: when it ends, whoever asked is
gone, and so are this process and its children.
"""

import sys
from pathlib import Path
from typing import Any

import msgspec

from mlxd.settings import Settings

from .child import end_with_input
from .examination import Examination, UnknownCheck, chosen
from .finding import Case

EXIT_UNKNOWN_CHECK = 64


class Asked(msgspec.Struct, frozen=True):
    settings: Settings
    complaint: str = ""
    only: list[str] = []
    skip: list[str] = []


def _path(kind: type, value: Any) -> Any:
    if kind is Path:
        return Path(value)
    raise NotImplementedError(kind)


def main() -> int:
    asked = msgspec.json.decode(sys.stdin.buffer.readline(), type=Asked, dec_hook=_path)
    end_with_input()
    try:
        names = chosen(asked.only, asked.skip)
    except UnknownCheck as error:
        sys.stdout.write(str(error))
        return EXIT_UNKNOWN_CHECK
    case = Case(settings=asked.settings, complaint=asked.complaint)
    report = Examination(case, names).run()
    sys.stdout.buffer.write(msgspec.json.encode(report))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
