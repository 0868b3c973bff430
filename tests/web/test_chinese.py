"""What the service says in English, the dashboard says in Chinese to who reads that: no sentence
of a check, a document, a job or an error is left out, and its values stay in it."""

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.judges.service import Service

from mlxd.doctor import diagnose, examination
from mlxd.smoke.reports.chinese import SENTENCES, in_chinese

from .conftest import sized
from .sentences import DESK, DOCTOR, SERVICE, SOURCE, shapes

pytestmark = pytest.mark.timeout(600)
ROOT = Path(__file__).parents[2]
TOLD = ROOT / "web/src/i18n/told"
SENTENCE = re.compile(r"(?:\b[A-Za-z]{2,}\b[ ,']+){2}[a-z]{2,}")
# Parts of what others say, that something is known by; and a place in a body.
NOT_SAID = {
    "failed to map segment",
    "Could not load C++ shared library",
    "own reference",
    "cache folder",
    "microsoft word",
    "Invalid enum value ",
    "{}; charset=utf-8",
    "private, no-cache",
    "the body",
    # told by `causes.ts`, or to no page
    "evicted: {} needs the memory",
    "asked elsewhere",
    "nothing was added",
    "a check is under way",
    " NOT NULL DEFAULT {}",
    "ahead of",  # a part of a sentence that is there twice, once with each
}


def table(name: str) -> dict[str, str]:
    made: dict[str, str] = json.loads((TOLD / f"{name}.json").read_text(encoding="utf-8"))
    return made


def every() -> dict[str, str]:
    names = ("doctor", "diagnoses", "models", "documents", "service")
    return {english: text for name in names for english, text in table(name).items()}


def test_every_sentence_of_the_service_is_there_in_chinese() -> None:
    there = set(every())
    lacking = []
    for where, shape in (*shapes(*DOCTOR), *shapes(*DESK), *shapes(*SERVICE)):
        bare = shape.strip()
        # A part of a sentence stands with the hole for the rest of it.
        known = {bare, "{}" + bare, "{} " + bare, bare + "{}", bare + " {}", "{}" + bare + "{}"}
        if shape not in NOT_SAID and not (known | {shape}) & there:
            lacking.append(f"{where}: {shape!r}")
    assert lacking == []


def test_every_cause_and_every_defect_is_there_in_chinese() -> None:
    there = set(every())
    defects = tomllib.loads((SOURCE / "doctor/defects.toml").read_text(encoding="utf-8"))["defect"]
    causes = [one.cause for one in diagnose.signatures()]
    assert [one for one in (*causes, *(d["what"] for d in defects)) if one not in there] == []


def test_every_code_of_an_error_is_there_in_chinese() -> None:
    there = set(table("codes"))
    told = (ROOT / "docs/runbooks/errors.md").read_text(encoding="utf-8")
    # The last table is of answers, which are no errors.
    documented = set(
        re.findall(r"^\| `(\w+)` \|", told.partition("## Empty or cut answers")[0], re.M)
    )
    source = "".join(file.read_text(encoding="utf-8") for file in SOURCE.rglob("*.py"))
    made = set(re.findall(r'\bcode="([a-z_]+)"|Unreadable\(\s*"([a-z_]+)"', source))
    used = {name for pair in made for name in pair if name}
    assert len(documented) > 50
    assert (documented | used) - there == set()


@pytest.fixture(scope="module")
def chinese(browser: Browser, service: Service) -> Iterator[Page]:
    with sized(browser, service.url, 1280, 860, locale="zh-CN") as context:
        page = context.new_page()
        page.goto("/#/live")
        expect(page.get_by_role("navigation")).to_contain_text("模型")
        yield page


def told(page: Page, texts: list[str], how: str = "told") -> list[str]:
    """By what is built, as the pages call it."""
    module = "import('/assets/zh.js')"
    made: list[str] = page.evaluate(
        f"texts => {module}.then(({{ zh }}) => texts.map((text) => zh.{how}(text)))", texts
    )
    return made


def test_what_is_found_keeps_its_values_and_no_english_sentence_is_left(chinese: Page) -> None:
    english = list(every())
    filled = []
    for shape in english:
        numbers = iter(range(701, 720))
        filled.append(re.sub(r"\{\}", lambda _, n=numbers: str(next(n)), shape))
    made = told(chinese, filled)
    wrong = []
    for shape, text in zip(english, made, strict=True):
        numbers = {str(n) for n in range(701, 701 + shape.count("{}"))}
        if SENTENCE.search(text) or not numbers <= set(re.findall(r"7\d\d", text)):
            wrong.append((shape, text))
    # Commands are the same in every language.
    commands = ("mlxd models", "pip install")
    assert [one for one in wrong if not any(command in one[1] for command in commands)] == []


def test_what_checks_say_is_told_in_chinese_as_reports_tell_it(chinese: Page) -> None:
    english = [shape.format(*"abcdefgh") for shape in SENTENCES]
    made = told(chinese, english, "checked")
    differ = [
        (one, here, in_chinese(one))
        for one, here in zip(english, made, strict=True)
        if here != in_chinese(one)
    ]
    assert differ == []


def test_sentences_within_sentences_are_told_too(chinese: Page) -> None:
    memory = (
        "1.2 GB of 4.0 GB free (the machine), no swap; the models to be served need about 3.0 GB: "
        "little is left"
    )
    ports = "60315 is free; 60316 is taken by nginx (process 7)"
    cases = {
        memory: "4.0 GB 中空闲 1.2 GB（整机），无交换区；要服务的模型约需 3.0 GB：所剩不多",
        ports: "60315 空闲；60316 被 nginx (process 7) 占用",
        "pilot failed: its process was ended by SIGKILL": "pilot 失败：进程被 SIGKILL 结束",
        "a.docx is damaged: Bad CRC-32.": "a.docx 已损坏：Bad CRC-32。",
        "Segmentation fault at somewhere": "Segmentation fault at somewhere",
    }
    assert told(chinese, list(cases)) == list(cases.values())


def test_an_error_without_a_sentence_of_ours_has_the_meaning_of_its_code(chinese: Page) -> None:
    made = chinese.evaluate(
        "import('/assets/zh.js').then(({ zh }) => zh.fault('HTTP 500 from far', 'remote_failed'))"
    )
    assert made == "远端失败：HTTP 500 from far"


def test_the_doctor_speaks_chinese(chinese: Page) -> None:
    titles = chinese.evaluate("import('/assets/zh.js').then(({ zh }) => zh.doctor.titles)")
    assert set(titles) == set(examination.NAMES)
    chinese.goto("/#/doctor")
    expect(chinese.locator(".findings section").first).to_be_visible(timeout=300_000)
    found = chinese.locator(".findings section > p").all_inner_texts()
    assert len(found) >= len(examination.NAMES)
    assert [one for one in found if SENTENCE.search(one)] == []


def test_documents_their_jobs_and_their_faults_are_told_in_chinese(chinese: Page) -> None:
    chinese.goto("/#/documents")
    bad = {"name": "坏.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.7\nnothing\n"}
    empty = {"name": "空.txt", "mimeType": "text/plain", "buffer": b""}
    chinese.set_input_files("input[type=file]", files=[bad, empty])
    jobs = chinese.get_by_label("任务")
    expect(jobs.get_by_text("坏.pdf 是损坏或不完整的 PDF：其中找不到它的页面。")).to_be_visible()
    expect(chinese.get_by_text("空.txt 是空的。").first).to_be_visible()


def test_english_readers_are_not_sent_chinese(browser: Browser, service: Service) -> None:
    asked: list[str] = []
    with sized(browser, service.url, 1280, 860) as context:
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.goto("/#/live")
        expect(page.get_by_label("pilot", exact=True)).to_be_visible()
        assert not [one for one in asked if "zh" in one]
        page.get_by_role("button", name="中文").click()
        expect(page.get_by_role("navigation")).to_contain_text("模型")
        assert [one for one in asked if one.endswith("/zh.js")]
