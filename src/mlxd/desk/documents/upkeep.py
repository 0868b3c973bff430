"""Puts the index in order: `python -m mlxd.desk.documents.upkeep FOLDER`."""

import sys
from datetime import timedelta
from pathlib import Path

from mlxd.machine.process import die_with_parent, let_others_go_first

from .index import ROWS_FOR_VECTOR_INDEX, index_vectors, open_table

# A search that began before a change may still read what it changed.
KEEP_OLD = timedelta(minutes=2)


def main() -> None:
    # The next desk must not find somebody else at work on its index.
    die_with_parent()
    let_others_go_first()
    table = open_table(Path(sys.argv[1]), shared=True)
    table.optimize(cleanup_older_than=KEEP_OLD)
    if "vector" not in table.schema.names:
        return
    present = {one.name for one in table.list_indices()}
    filled = table.count_rows("vector IS NOT NULL")
    if "vector_idx" not in present and filled >= ROWS_FOR_VECTOR_INDEX:
        index_vectors(table)


if __name__ == "__main__":
    main()
