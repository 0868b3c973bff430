"""Jobs wait, pause, go on and end as they are told, and their stream says so."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlxd.desk.documents import chunks

from .agent.upstream import Upstream
from .papers import Paper, label
from .service import Service, eventually

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    made = Service(tmp_path_factory.mktemp("jobs"), MLXD_DOCUMENTS_TAGS="off")
    yield made
    assert made.end() == 0


def picture(number: int) -> bytes:
    paper = Paper().text(f"The machine in hall {number} has a sign.")
    return paper.picture(label(f"SIGN {number}")).bytes()


def test_a_job_waits_for_its_model_and_goes_on_by_itself(jobs: Service) -> None:
    jobs.assign("vision", None)
    [taken] = jobs.add(("wait.pdf", picture(4711)))
    waiting = jobs.until_state(taken["job"], "waiting")
    assert "vision" in waiting["reason"]
    assert jobs.search("SIGN 4711") == []
    jobs.assign("vision", "pilot")
    assert jobs.until_state(taken["job"], "done", "failed")["state"] == "done"
    found = jobs.search("sign 4711")[0]
    assert found["parent"]["kind"] == "image"
    assert found["parent"]["page"] == 1
    image = jobs.http.get(found["parent"]["image"])
    assert image.headers["content-type"] == "image/png"
    assert image.content.startswith(b"\x89PNG")


def test_a_paused_job_stands_still_until_it_is_resumed(jobs: Service) -> None:
    jobs.assign("vision", None)
    [taken] = jobs.add(("pause.pdf", picture(4712)))
    job = taken["job"]
    jobs.until_state(job, "waiting")
    assert jobs.post(f"/jobs/{job}/pause")["state"] == "paused"
    jobs.assign("vision", "pilot")
    assert jobs.http.post(f"/jobs/{job}/retry").status_code == 409
    assert jobs.get(f"/jobs/{job}")["state"] == "paused"
    jobs.post(f"/jobs/{job}/resume")
    assert jobs.until_state(job, "done", "failed")["state"] == "done"


def test_a_cancelled_job_can_be_tried_again(jobs: Service) -> None:
    jobs.assign("vision", None)
    [taken] = jobs.add(("cancel.pdf", picture(4713)))
    job = taken["job"]
    jobs.until_state(job, "waiting")
    assert jobs.post(f"/jobs/{job}/cancel")["state"] == "cancelled"
    assert jobs.http.post(f"/jobs/{job}/cancel").status_code == 409
    jobs.assign("vision", "pilot")
    jobs.post(f"/jobs/{job}/retry")
    assert jobs.until_state(job, "done", "failed")["state"] == "done"


def test_what_failed_can_be_tried_again_once_its_cause_is_gone(folder: Path) -> None:
    two = Paper().text("The first page.").page().text("The condor soars on this page.").bytes()
    small = Service(folder, MLXD_DOCUMENTS_TAGS="off", MLXD_DOCUMENTS_PAGE_LIMIT="1")
    try:
        [taken] = small.add(("two.pdf", two))
        failed = small.until_state(taken["job"], "failed", "done")
        assert failed["code"] == "too_many_pages"
        small.post(f"/jobs/{taken['job']}/retry")
        again = small.until_state(taken["job"], "failed", "done")
        assert (again["state"], again["attempt"]) == ("failed", 2)
    finally:
        assert small.end() == 0
    large = Service(folder, MLXD_DOCUMENTS_TAGS="off")
    try:
        large.post(f"/jobs/{taken['job']}/retry")
        done = large.until_state(taken["job"], "failed", "done")
        assert done["state"] == "done", done
        [hit] = large.search("condor")
        assert hit["parent"]["page"] == 2
    finally:
        assert large.end() == 0


def test_the_preferred_goes_first(folder: Path) -> None:
    """With one worker, which is busy for as long as the order is changed."""
    upstream = Upstream()
    environment = {
        "MLXD_DOCUMENTS_TAGS": "off",
        "MLXD_DOCUMENTS_WORKERS": "1",
        "MLXD_REMOTES": upstream.setting(capabilities=["text", "vision"]),
    }
    service = Service(folder, **environment)
    try:
        service.assign("vision", "far-waits")
        _the_preferred_goes_first(service, upstream)
    finally:
        assert service.end() == 0
        upstream.close()


def _the_preferred_goes_first(service: Service, upstream: Upstream) -> None:
    [busy] = service.add(("busy.pdf", picture(4715)))
    eventually(lambda: upstream.streaming)
    texts = service.add(*((f"{i}.txt", f"Note {i} of many.".encode()) for i in range(5)))
    queued = [one["job"] for one in texts]
    moved = service.post(f"/jobs/{queued[-1]}/priority", {"priority": "high"})
    assert (moved["state"], moved["priority"]) == ("queued", "high")
    service.post(f"/jobs/{queued[0]}/priority", {"priority": "low"})
    assert service.get(f"/jobs/{busy['job']}")["state"] == "running"
    upstream.go_on.set()
    over = service.finished([busy["job"], *queued])
    assert [(job["state"], job["reason"]) for job in over] == [("done", None)] * len(over)
    ended = sorted(over[1:], key=lambda job: job["finished"])
    assert [job["id"] for job in ended] == [queued[-1], *queued[1:-1], queued[0]]
    answer = service.http.post(f"/jobs/{queued[0]}/priority", json={"priority": "high"})
    assert answer.status_code == 409


def test_a_waiting_job_keeps_the_priority_that_it_is_given(jobs: Service) -> None:
    jobs.assign("vision", None)
    [taken] = jobs.add(("prefer.pdf", picture(4714)))
    jobs.until_state(taken["job"], "waiting")
    moved = jobs.post(f"/jobs/{taken['job']}/priority", {"priority": "high"})
    assert (moved["state"], moved["priority"]) == ("waiting", "high")
    jobs.assign("vision", "pilot")
    done = jobs.until_state(taken["job"], "done", "failed")
    assert (done["state"], done["priority"]) == ("done", "high")


def test_two_documents_of_one_name_have_each_their_own_picture(jobs: Service) -> None:
    first, second = jobs.indexed(("sign.pdf", picture(5501)), ("sign.pdf", picture(5502)))
    for taken, code in ((first, "5501"), (second, "5502")):
        found = jobs.search(f"sign {code}", kind=["image"])[0]
        assert found["document"]["id"] == taken["id"]
        assert f"/{taken['id']}/" in found["parent"]["image"]
        assert code in found["parent"]["text"]


def test_a_damaged_file_ends_its_own_job_alone(jobs: Service) -> None:
    good = Paper().text("All is well with this one.").bytes()
    broken, fine = jobs.add(("broken.pdf", b"%PDF-1.7 and no more"), ("fine.pdf", good))
    failed, done = jobs.finished([broken["job"], fine["job"]])
    assert failed["state"] == "failed"
    assert failed["code"] == "damaged_file"
    assert "broken.pdf" in failed["reason"]
    assert done["state"] == "done"


def test_a_stream_can_be_taken_up_again(jobs: Service) -> None:
    jobs.indexed(("one.txt", b"The first of the stream."))
    latest = jobs.get("/jobs/events/latest")["change"]
    [taken] = jobs.indexed(("two.txt", b"The second of the stream."))
    headers = {"last-event-id": str(latest)}
    seen = []
    with jobs.http.stream("GET", "/jobs/events", headers=headers) as response:
        for line in response.iter_lines():
            if line.startswith("data: "):
                seen.append(json.loads(line[6:]))
                if seen[-1]["state"] == "done":
                    break
    assert {job["id"] for job in seen} == {taken["job"]}


def test_a_stream_of_a_job_that_is_over_ends_for_who_has_heard_all_of_it(jobs: Service) -> None:
    [taken] = jobs.indexed(("heard.txt", b"Whoever comes back late is not left waiting."))
    path = f"/jobs/{taken['job']}/events"
    whole = jobs.http.get(path).text
    last = re.findall(r"(?m)^id: (\d+)$", whole)[-1]
    again = jobs.http.get(path, headers={"last-event-id": last}).text
    assert re.findall(r"(?m)^event: (\w+)$", again) == ["end"]
    # A number that nothing here has reached yet: all of it is told.
    ahead = jobs.http.get(path, headers={"last-event-id": "999999999999"}).text
    assert re.findall(r"(?m)^id: (\d+)$", ahead) == [last]


def test_files_are_read_by_path_only_below_the_roots(folder: Path) -> None:
    root, outside = folder / "root", folder / "outside"
    root.mkdir()
    outside.mkdir()
    (root / "in.txt").write_text("A hedgehog within the root.")
    (outside / "secret.txt").write_text("Nobody is to see this.")
    (root / "large.txt").write_text("Too much. " * 20_000)
    (root / "link.txt").symlink_to(outside / "secret.txt")
    service = Service(
        folder,
        MLXD_DOCUMENTS_ROOTS=str(root),
        MLXD_DOCUMENTS_UPLOAD_LIMIT="100KiB",
        MLXD_DOCUMENTS_TAGS="off",
    )
    try:
        made = service.post("/documents", {"path": str(root)})
        assert [one["name"] for one in made["documents"]] == ["in.txt"]
        [left] = made["refused"]
        assert (left["name"], left["code"]) == (str(root / "large.txt"), "body_too_large")
        for path in (
            str(outside / "secret.txt"),
            str(root / "link.txt"),
            str(root / ".." / "outside" / "secret.txt"),
            "/etc/passwd",
        ):
            answer = service.http.post("/documents", json={"path": path})
            assert answer.status_code == 403, path
            assert answer.json()["error"]["code"] == "path_not_allowed"
        missing = service.http.post("/documents", json={"path": str(root / "no.txt")})
        assert missing.status_code == 404
    finally:
        assert service.end() == 0


def test_long_passages_get_a_summary_that_is_searched_too(folder: Path) -> None:
    sentences = [f"The heron of pond {i} eats fish number {i * 3}." for i in range(30)]
    text = " ".join(sentences).encode()
    service = Service(folder, MLXD_DOCUMENTS_SUMMARIES="on", MLXD_DOCUMENTS_TAGS="off")
    try:
        [taken] = service.indexed(("heron.txt", text))
        found = service.get(f"/documents/{taken['id']}/chunks")
        assert len(found["parents"]) == 1
        windows = chunks.windows(text.decode(), chunks.CHILD_TOKENS, chunks.OVERLAP_TOKENS)
        assert len(found["children"]) == len(windows) + 1
        assert set(windows) < set(found["children"])
        assert service.search("heron pond 29")[0]["document"]["id"] == taken["id"]
    finally:
        assert service.end() == 0
