"""The parser's process: one request on its standard input, files as its answer."""

import resource
import sys
from pathlib import Path

import msgspec

from mlxd.desk.documents.files import write
from mlxd.desk.documents.pieces import Survey, Unreadable
from mlxd.machine.process import die_with_parent, let_others_go_first

from .child import BASE_BYTES, Extraction, Trouble

# Libraries reserve more than they use; what they use is watched from outside as well.
ADDRESSES_BEYOND = 4 * BASE_BYTES


def main() -> None:
    die_with_parent()
    let_others_go_first()
    request = msgspec.json.decode(sys.stdin.buffer.read(), type=Extraction)
    _limit(request)
    out = Path(request.out)
    try:
        survey = _parse(request)
    except Unreadable as error:
        write(out / "trouble.json", msgspec.json.encode(Trouble(error.code, str(error))))
    else:
        # Written last: with it, everything else is there.
        write(out / "survey.json", msgspec.json.encode(survey))


def _parse(request: Extraction) -> Survey:
    if request.parser == "pdf":
        from .pdf import parse as parse_pdf

        return parse_pdf(request)
    if request.parser == "office":
        from .office import parse as parse_office

        return parse_office(request)
    if request.parser == "plain":
        from .plain import survey

        return survey(Path(request.file), request.name, request.page_limit, Path(request.out))
    from .picture import parse as parse_picture

    return parse_picture(request)


def _limit(request: Extraction) -> None:
    if sys.platform == "linux":
        # macOS takes this limit and does not keep to it; there, only the look from outside helps.
        most = request.memory + ADDRESSES_BEYOND
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    seconds = int(request.seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))


main()
