"""Documents are read, described and found. One door: `room.Documents`, a room of the desk.

Nothing is imported here: the parser's processes are in this package too, and would pay for it.
"""
