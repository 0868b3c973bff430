"""GET /doctor: done beside the gateway, once for everyone who asks, and gone with it."""

import contextlib
import json
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.judges.service import Service
from tests.processes import PATIENCE_S, beneath, left

# While there is a file of this name, an examination does not begin.
HOLD = """
import os, sys, time
if "mlxd.doctor" in sys.orig_argv:
    while os.path.exists(os.environ["HELD"]):
        time.sleep(0.01)
"""


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("held")
    (folder / "sitecustomize.py").write_text(HOLD)
    return folder / "held"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, held: Path) -> Iterator[Service]:
    path = os.pathsep.join([str(held.parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    there = {"HF_HUB_OFFLINE": "1", "PYTHONPATH": path, "HELD": str(held)}
    made = Service([], tmp_path_factory.mktemp("doctor") / "home", there)
    yield made
    made.close()


def test_it_says_what_the_command_says(service: Service) -> None:
    answer = service.http.get("/doctor", params={"only": "ports,python,device", "fresh": "1"})
    assert answer.status_code == 200, answer.text
    checks = {one["name"]: one for one in answer.json()["checks"]}
    assert checks.keys() == {"ports", "python", "device"}
    assert checks["device"]["status"] == "ok"
    assert all(one["why"] for one in checks.values())


def test_it_is_kept_until_a_fresh_one_is_wanted(service: Service) -> None:
    asked = {"only": "memory"}
    first = service.http.get("/doctor", params=asked).json()["at"]
    assert service.http.get("/doctor", params=asked).json()["at"] == first
    assert service.http.get("/doctor", params={**asked, "fresh": "1"}).json()["at"] > first


def test_many_who_ask_at_once_get_one_examination(service: Service, held: Path) -> None:
    asked = b"GET /doctor?only=device,descriptors&fresh=1 HTTP/1.0\r\nhost: localhost\r\n\r\n"
    address = ("127.0.0.1", service.port)
    held.touch()
    with contextlib.ExitStack() as left_open:
        opened = (socket.create_connection(address, PATIENCE_S) for _ in range(8))
        clients = [left_open.enter_context(one) for one in opened]
        for client in clients:
            client.sendall(asked)
        service.eventually(lambda: bool(beneath(service.process.pid, "mlxd.doctor")))
        # Whoever came before has been heard when one that comes now is answered.
        assert service.http.get("/health").status_code == 200
        held.unlink()
        answers = [left_open.enter_context(client.makefile("rb")).read() for client in clients]
    seen = {json.loads(answer.partition(b"\r\n\r\n")[2])["at"] for answer in answers}
    assert len(seen) == 1


def test_an_unknown_check_is_refused_with_the_list(service: Service) -> None:
    answer = service.http.get("/doctor", params={"only": "horoscope"})
    assert answer.status_code == 400
    assert "horoscope" in answer.json()["error"]["message"]
    assert "bundled" in answer.json()["error"]["message"]


def test_nothing_of_it_outlives_the_service(tmp_path: Path) -> None:
    """Killed in the middle of an examination, with children of its own."""
    made = Service([], tmp_path / "home", {"HF_HUB_OFFLINE": "1"})
    gateway = made.process.pid
    asking = threading.Thread(target=_ask_and_be_cut_off, args=(made,), daemon=True)
    asking.start()
    made.eventually(lambda: bool(beneath(gateway, "mlxd.doctor")))
    made.eventually(lambda: len(beneath(gateway)) > 2)
    children = beneath(gateway)
    made.process.kill()
    made.process.wait(PATIENCE_S)
    still = left(children)
    asking.join(PATIENCE_S)
    made.http.close()
    assert made.process.stdout is not None
    made._listener.join(PATIENCE_S)
    made.process.stdout.close()
    assert still == []


def _ask_and_be_cut_off(made: Service) -> None:
    import httpx2

    with pytest.raises(httpx2.HTTPError):
        made.http.get("/doctor", params={"only": "device,compiler,bundled", "fresh": "1"})


def test_an_end_in_order_ends_it_too(tmp_path: Path) -> None:
    made = Service([], tmp_path / "home", {"HF_HUB_OFFLINE": "1"})
    asking = threading.Thread(target=_ask_anyway, args=(made,), daemon=True)
    asking.start()
    made.eventually(lambda: bool(beneath(made.process.pid, "mlxd.doctor")))
    children = beneath(made.process.pid)
    made.close()
    assert left(children) == []
    asking.join(PATIENCE_S)


def _ask_anyway(made: Service) -> None:
    import httpx2

    try:
        made.http.get("/doctor", params={"only": "compiler,bundled", "fresh": "1"})
    except (httpx2.HTTPError, RuntimeError):
        return
