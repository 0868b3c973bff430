"""Documents go in as files and come out as passages, through the gateway and the desk's process."""

from .service import Service

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
