"""Documents go in as files and come out as passages, through the gateway and the desk's process."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlxd.desk.documents.intake import open_below

from .service import PATIENCE_S, Service, eventually

FOX = b"The quick brown fox jumps over the lazy dog. Invoice INV-4711 was paid.\n"
CHINESE = "数据库的索引让查询更快。每个文档都有自己的页面。\n".encode()


def test_a_text_is_found_by_its_words(service: Service) -> None:
    [taken] = service.indexed(("fox.txt", FOX))
    [found] = service.search("foxes jumping")
    assert found["document"]["id"] == taken["id"]
    assert found["document"]["name"] == "fox.txt"
    assert found["parent"]["text"] == FOX.decode().strip()
    marked = [found["snippet"][start:end] for start, end in found["highlights"]]
    assert marked == ["fox", "jumps"]


def test_codes_are_found_whole(service: Service) -> None:
    service.indexed(("fox.txt", FOX), ("other.txt", b"Invoice INV-4712 was not paid.\n"))
    assert service.search("INV-4711")[0]["document"]["name"] == "fox.txt"
    assert service.search("inv-4712")[0]["document"]["name"] == "other.txt"


def test_chinese_is_found(service: Service) -> None:
    [taken] = service.indexed(("索引.md", CHINESE))
    for question in ("索引", "数据库", "查询", "页"):
        assert service.search(question)[0]["document"]["id"] == taken["id"], question


def test_unchanged_content_gets_no_job(service: Service) -> None:
    service.indexed(("same.txt", b"Nothing here changes.\n"))
    [again] = service.add(("same.txt", b"Nothing here changes.\n"))
    assert again["what"] == "unchanged"
    assert again["job"] is None


def test_two_files_of_one_name_are_two_documents(service: Service) -> None:
    first, second = service.indexed(
        ("report.txt", b"The heron stands in the reeds.\n"),
        ("report.txt", b"The walrus lies on the ice.\n"),
    )
    assert first["id"] != second["id"]
    assert [one["document"]["id"] for one in service.search("heron")] == [first["id"]]
    assert [one["document"]["id"] for one in service.search("walrus")] == [second["id"]]


def test_a_changed_file_leaves_nothing_of_its_old_text(service: Service) -> None:
    source = "file://here/notes.txt"
    [first] = service.indexed(("notes.txt", b"An albatross follows the ship.\n"), source=source)
    [second] = service.indexed(("notes.txt", b"A cormorant follows the boat.\n"), source=source)
    assert second["id"] == first["id"]
    assert second["what"] == "changed"
    assert service.search("albatross") == []
    [found] = service.search("cormorant")
    assert found["parent"]["text"] == "A cormorant follows the boat."


def test_a_removed_document_is_not_found(service: Service) -> None:
    [taken] = service.indexed(("gone.txt", b"The platypus lays eggs.\n"))
    assert service.search("platypus")
    service.http.delete(f"/documents/{taken['id']}")
    assert service.search("platypus") == []
    assert service.http.get(f"/documents/{taken['id']}").status_code == 404


def test_the_desk_is_seen_in_status(service: Service) -> None:
    service.get("/documents")
    desk = service.get("/status")["desk"]
    assert desk["state"] == "ready"
    found = service.desk()
    assert found is not None
    assert desk["pid"] == found.pid


def test_filters_by_type_document_and_date(service: Service) -> None:
    [old] = service.indexed(("airship.txt", b"The zeppelin has landed at noon.\n"))
    [new] = service.indexed(("airship.html", b"<html><body>The zeppelin is late.</body></html>"))
    since = service.get(f"/documents/{new['id']}")["added"]

    def found(**more: Any) -> set[str]:
        return {hit["document"]["id"] for hit in service.search("zeppelin", **more)}

    assert found() == {old["id"], new["id"]}
    assert found(type=["html"]) == {new["id"]}
    assert found(type=["html", "text"]) == {old["id"], new["id"]}
    assert found(type=["pdf"]) == set()
    assert found(document=[old["id"]]) == {old["id"]}
    assert found(added_after=since) == {new["id"]}
    assert found(added_before=since) == {old["id"]}
    assert found(added_before=since, type=["html"]) == set()
    assert found(type=["html' OR '1'='1"]) == set()
    same = service.get("/search", query="zeppelin", type="html", added_after=since)
    assert [hit["document"]["id"] for hit in same["results"]] == [new["id"]]


def test_tags_are_renamed_and_merged(service: Service) -> None:
    first, second, third = service.indexed(
        ("one.txt", b"A lighthouse by the sea.\n"),
        ("two.txt", b"A lighthouse on a rock.\n"),
        ("three.txt", b"A lighthouse in a park.\n"),
    )
    for one, tags in ((first, ["invoce", "sea"]), (second, ["invoice"]), (third, ["\u706f\u5854"])):
        service.post(f"/documents/{one['id']}/tags", {"tags": tags})

    def counts() -> dict[str, int]:
        return {one["tag"]: one["documents"] for one in service.get("/tags")["tags"]}

    service.post("/tags/merge", {"tags": ["invoce"], "to": "invoice"})
    assert counts()["invoice"] == 2
    assert "invoce" not in counts()
    found = service.search("lighthouse", tag=["invoice"])
    assert {hit["document"]["id"] for hit in found} == {first["id"], second["id"]}
    service.post("/tags/merge", {"tags": ["invoice", "\u706f\u5854", "sea"], "to": "coast"})
    assert counts()["coast"] == 3
    assert service.get(f"/documents/{first['id']}")["tags"] == ["coast"]
    service.post("/tags/merge", {"tags": ["coast"], "to": "coast"})
    assert counts()["coast"] == 3


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../../etc/passwd", "passwd"),
        ("..\\..\\windows\\system.txt", "system.txt"),
        ("/absolute/path.txt", "path.txt"),
        ("\u62a5\u544a \u2013 \u00e9t\u00e9.txt", "\u62a5\u544a \u2013 \u00e9t\u00e9.txt"),
        ("\u202egpj.txt", "gpj.txt"),
        ("line\u2028end.txt", "lineend.txt"),
        ("n" * 300 + ".txt", "n" * 255),
        ("'; drop table mlxd_documents; --.txt", "'; drop table mlxd_documents; --.txt"),
    ],
    ids=lambda value: ascii(value)[:24],
)
def test_a_name_is_only_shown_and_never_used_as_a_path(
    service: Service, given: str, kept: str
) -> None:
    text = f"The name of this one is {given!a}.".encode()
    [taken] = service.indexed((given, text))
    assert taken["name"] == kept
    assert service.get(f"/documents/{taken['id']}")["name"] == kept
    answer = service.http.get(f"/documents/{taken['id']}/file")
    assert answer.content == text
    assert "\n" not in answer.headers["content-disposition"]
    kept_at = [path for path in service.data.rglob("original") if path.read_bytes() == text]
    assert [path.parts[-3] for path in kept_at] == [taken["id"]]


@pytest.mark.parametrize("name", ["..", "/", "\u202e", " "], ids=ascii)
def test_a_file_without_a_name_that_can_be_shown_is_refused(service: Service, name: str) -> None:
    answer = service.http.post("/documents", files=[("file", (name, b"text"))])
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "file"


def test_a_folder_that_becomes_a_link_after_the_check_leads_nowhere(folder: Path) -> None:
    root, outside = folder / "root", folder / "outside"
    (root / "sub").mkdir(parents=True)
    outside.mkdir()
    for place in (root / "sub", outside):
        (place / "note.txt").write_text(place.name)
    file = root / "sub" / "note.txt"
    with os.fdopen(open_below(root, file)) as opened:
        assert opened.read() == "sub"
    (root / "sub").rename(root / "was")
    (root / "sub").symlink_to(outside)
    with pytest.raises(OSError, match=r"link|directory"):
        open_below(root, file)


def test_a_watched_folder_is_followed(service: Service, folder: Path) -> None:
    (folder / "first.txt").write_text("The ibis wades.")
    command = [sys.executable, "-m", "mlxd", "docs", "add", str(folder), "--watch"]
    watching = subprocess.Popen(
        [*command, "--url", str(service.http.base_url)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "MLXD_CONFIG": os.devnull},
    )
    try:
        assert watching.stderr is not None
        assert any("watching" in line for line in watching.stderr)

        def names(question: str) -> Callable[[], bool]:
            return lambda: [h["document"]["name"] for h in service.search(question)] == expected

        expected = ["first.txt"]
        assert names("ibis")()
        (folder / "second.txt").write_text("The spoonbill sleeps.")
        expected = ["second.txt"]
        eventually(names("spoonbill"))
        (folder / "second.txt").write_text("The avocet sleeps now.")
        eventually(names("avocet"))
        assert service.search("spoonbill") == []
        (folder / "second.txt").rename(folder / "moved.txt")
        expected = ["moved.txt"]
        eventually(names("avocet"))
        (folder / "first.txt").unlink()
        expected = []
        eventually(names("ibis"))
        watching.send_signal(signal.SIGINT)
        assert watching.wait(PATIENCE_S) == 0
    finally:
        watching.kill()
        watching.wait(PATIENCE_S)
        watching.stderr and watching.stderr.close()


def test_the_commands_add_find_show_rename_and_remove(service: Service, folder: Path) -> None:
    def docs(*arguments: str, code: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "mlxd", "docs", *arguments],
            capture_output=True,
            text=True,
            env={**os.environ, "MLXD_CONFIG": os.devnull, "MLXD_URL": str(service.http.base_url)},
            check=False,
        )
        assert done.returncode == code, done.stderr
        return done.stdout + done.stderr

    good, bad = folder / "kestrel.txt", folder / "broken.pdf"
    good.write_text("The kestrel hovers over the field.")
    bad.write_bytes(b"%PDF-1.7 and no more")
    made = json.loads(docs("add", str(folder), "--tag", "birdz", "--json", code=1))
    assert {job["name"]: job["state"] for job in made["jobs"]} == {
        "kestrel.txt": "done",
        "broken.pdf": "failed",
    }
    again = json.loads(docs("add", str(good), "--json"))
    assert again["jobs"] == []
    [hit] = json.loads(docs("search", "kestrel", "--tag", "birdz", "--json"))["results"]
    assert hit["document"]["name"] == "kestrel.txt"
    assert "hovers" in docs("search", "kestrel")
    assert "broken.pdf" in docs("jobs", "--limit", "5")
    assert "hovers" in docs("show", "kestrel.txt")
    docs("tags", "--rename", "birdz", "--to", "birds of prey")
    assert "birds of prey" in docs("tags")
    docs("rm", "kestrel.txt")
    assert service.search("kestrel") == []
    assert good.exists()
