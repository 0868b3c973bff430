from scripts import reference


def test_reference_is_as_the_code_says() -> None:
    for name, text in reference.pages().items():
        file = reference.FOLDER / name
        written = file.read_text(encoding="utf-8") if file.exists() else ""
        assert written == text, f"docs/reference/{name} is stale; run `make docs` and commit it"


def test_every_error_code_has_a_place_in_the_runbook() -> None:
    runbook = (reference.ROOT / "docs" / "runbooks" / "errors.md").read_text(encoding="utf-8")
    missing = sorted(code for code in reference.codes() if f"`{code}`" not in runbook)
    assert not missing, f"docs/runbooks/errors.md says nothing of {', '.join(missing)}"
