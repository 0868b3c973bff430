"""`python -m mlxd.catalog.pull ORG/NAME [KNOWN...]`: events as lines of JSON on standard output.

Ends by itself when its standard input does: whoever started it is gone then. SIGTERM and SIGINT end
it at once, and what has come is kept.
"""

import logging
import os
import signal
import sys
import threading

from .events import Event, encode

# How long threads may take to notice and to write down what has come; one that waits for the hub is
# not waited for.
END_S = 2.0


def main() -> int:
    hub_id, *known = sys.argv[1:]
    if not os.environ.get("HF_ENDPOINT"):
        # Hugging Face's library takes an empty one for an address.
        os.environ.pop("HF_ENDPOINT", None)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    threading.Thread(target=_until_alone, args=(stop,), daemon=True).start()
    result: list[int] = []

    def tell(event: Event) -> None:
        try:
            os.write(1, encode(event) + b"\n")
        except OSError:
            stop.set()

    def work() -> None:
        # Imported here, so that a signal that comes meanwhile is heeded.
        from huggingface_hub.utils import logging as hub_logging

        from .run import Pull

        hub_logging.set_verbosity(logging.ERROR)
        result.append(0 if Pull(hub_id, known, tell, stop).run().state == "done" else 1)

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    while worker.is_alive():
        worker.join(0.2)
        if stop.is_set():
            worker.join(END_S)
            if worker.is_alive():
                tell(Event(model=hub_id, state="cancelled", message="Stopped."))
            break
    return result[0] if result else 1


def _until_alone(stop: threading.Event) -> None:
    while os.read(0, 4096):
        pass
    stop.set()


if __name__ == "__main__":
    code = main()
    # Threads may still wait for the hub; nothing is lost, every portion is written as it comes.
    os._exit(code)
