import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import jsonschema
import pytest

from mlxd.smoke import Report, from_json, json_schema, to_json
from mlxd.smoke.reports import RENDER, Lang
from mlxd.smoke.reports.texts import _TEXTS

from .pool import Pool
from .table import SCHEMA

LANGS: tuple[Lang, ...] = ("en", "zh")


# Of text, by WCAG's level AA.
LEAST_CONTRAST = 4.5
# Whatever a server sends, the reports have to hold it.
SERVERS = ("0", "call-as-text", "control-characters", "half-a-character-always")


@pytest.fixture(scope="module")
def data(pool: Pool) -> bytes:
    return to_json(Report(runs=[pool.of(name) for name in SERVERS]))


@pytest.fixture
def report(data: bytes) -> Report:
    return from_json(data)


def test_the_result_survives_json_and_is_valid_against_its_published_schema(
    report: Report,
) -> None:
    data = to_json(report)
    assert to_json(from_json(data)) == data
    published = json.loads(SCHEMA.read_text(encoding="utf-8"))
    assert published == json_schema(), f"{SCHEMA} is stale: python -m tests.smoke.table"
    jsonschema.validate(json.loads(data), published)


@pytest.mark.parametrize("lang", LANGS)
@pytest.mark.parametrize("name", list(RENDER))
def test_every_report_names_every_check_with_its_verdict(
    name: str, lang: Lang, report: Report
) -> None:
    text = RENDER[name][1](report, lang)
    for run in report.runs:
        for check in run.checks:
            assert check.id in text
    assert "RUNNING" not in text


@pytest.mark.parametrize("lang", LANGS)
def test_reports_agree_on_the_counts(lang: Lang, report: Report) -> None:
    failed = sum(run.count("FAIL") for run in report.runs)
    assert failed
    suites = ET.fromstring(RENDER["junit"][1](report, lang)).findall("testsuite")
    assert sum(int(suite.get("failures", "")) for suite in suites) == failed
    assert len(ET.fromstring(RENDER["junit"][1](report, lang)).findall(".//failure")) == failed
    markdown = RENDER["md"][1](report, lang)
    rows = [line for line in markdown.splitlines() if re.match(r"\| [a-z-]+\.[a-z-]+ \|", line)]
    assert sum(line.split(" | ")[4] == "FAIL" for line in rows if line.count(" | ") == 5) == failed


def test_a_failed_round_can_be_repeated_from_the_report(report: Report) -> None:
    check = next(one for one in report.runs[1].checks if one.verdict == "FAIL")
    one = next(one for one in check.rounds if one.verdict == "FAIL")
    exchange = one.exchanges[0]
    assert exchange.request["messages"]
    assert exchange.response
    assert exchange.seconds > 0
    assert exchange.curl.startswith("curl ")
    for name in ("md", "html"):
        text = RENDER[name][1](report, "en")
        assert "curl -sS" in text
        assert "tool_call" in text


def test_every_sentence_is_there_in_both_languages() -> None:
    for key, (english, chinese) in _TEXTS.items():
        names = [set(re.findall(r"{(\w+)}", text)) for text in (english, chinese)]
        assert names[0] == names[1], key
        assert english, key
        assert chinese, key


class _Loads(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.outside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.outside += [f"{tag} {key}" for key, _ in attrs if key in ("src", "href", "onload")]
        if tag in ("script", "link", "img", "iframe"):
            self.outside.append(tag)


def test_the_html_loads_nothing_and_runs_nothing_that_a_model_said(report: Report) -> None:
    report.runs[0].checks[0].rounds[0].got = "<script>alert(1)</script><img src=x>"
    parser = _Loads()
    parser.feed(RENDER["html"][1](report, "en"))
    assert parser.outside == []


def _luminance(colour: str) -> float:
    """Of #rgb or #rrggbb, as WCAG has it."""
    digits = colour.strip("#")
    pairs = [one * 2 for one in digits] if len(digits) == 3 else re.findall("..", digits)
    parts = [int(one, 16) / 255 for one in pairs]
    red, green, blue = (
        one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_verdicts_can_be_read_on_both_backgrounds(report: Report) -> None:
    page = RENDER["html"][1](report, "en")
    palettes = re.findall(r":root \{([^}]*)\}", page)
    assert len(palettes) == 2
    for palette in palettes:
        paper = _luminance(re.findall(r"background: (#\w+)", palette)[0])
        for name in ("pass", "fail", "error", "skip"):
            ink = _luminance(re.findall(rf"--{name}: (#\w+)", palette)[0])
            light, dark = max(paper, ink), min(paper, ink)
            assert (light + 0.05) / (dark + 0.05) >= LEAST_CONTRAST, (name, palette)


def test_control_characters_do_not_break_the_xml(report: Report) -> None:
    failing = next(one for one in report.runs[1].checks if one.verdict == "FAIL")
    failing.rounds[0].message = "\x00 \x1b[31m \ud800 ]]>"
    ET.fromstring(RENDER["junit"][1](report, "en"))


# The common form of JUnit's XML, as CI servers check it: what stands in what, in which order, and
# the attributes that each must have and may have.
CHILDREN = {
    "testsuites": ["testsuite"],
    "testsuite": ["properties", "testcase", "system-out", "system-err"],
    "testcase": ["skipped", "error", "failure", "system-out", "system-err"],
    "skipped": [], "error": [], "failure": [], "system-out": [], "system-err": [],
}  # fmt: skip
MUST = {"testsuite": {"name", "tests"}, "testcase": {"name", "classname"}}
MAY = {
    "testsuites": {"name", "time", "tests", "failures", "errors"},
    "testsuite": {"name", "tests", "failures", "errors", "skipped", "time", "timestamp", "hostname",
                  "id", "package"},
    "testcase": {"name", "classname", "time", "status", "assertions"},
    "skipped": {"message", "type"},
    "error": {"message", "type"},
    "failure": {"message", "type"},
}  # fmt: skip
NUMBERS = ("tests", "failures", "errors", "skipped")


def _breaches(one: ET.Element) -> list[str]:
    there = set(one.keys())
    found = [f"{one.tag} lacks {name}" for name in MUST.get(one.tag, set()) - there]
    found += [f"{one.tag} has {name}" for name in there - MAY.get(one.tag, set())]
    order = [CHILDREN[one.tag].index(child.tag) for child in one]
    found += [f"{one.tag}: out of order"] if order != sorted(order) else []
    found += [name for name in NUMBERS if name in there and not one.get(name, "").isdecimal()]
    if "time" in there:
        found += [] if re.fullmatch(r"\d+\.\d+", one.get("time", "")) else ["time is no number"]
    stamp = one.get("timestamp")
    date = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)?"
    found += [] if stamp is None or re.fullmatch(date, stamp) else [f"timestamp {stamp}"]
    return found + [text for child in one for text in _breaches(child)]


@pytest.mark.parametrize("lang", LANGS)
def test_the_xml_has_the_form_that_ci_servers_check(lang: Lang, report: Report) -> None:
    report.runs[0].cut_short = "interrupted by SIGINT"
    root = ET.fromstring(RENDER["junit"][1](report, lang))
    assert _breaches(root) == []
    names = [(case.get("classname"), case.get("name")) for case in root.iter("testcase")]
    # A run that did not come to its end is an error of its own.
    assert len(names) == sum(len(run.checks) for run in report.runs) + 1
    for suite in root:
        for tag, attribute in (
            ("failure", "failures"),
            ("error", "errors"),
            ("skipped", "skipped"),
        ):
            assert len(suite.findall(f"testcase/{tag}")) == int(suite.get(attribute, ""))
        assert len(suite.findall("testcase")) == int(suite.get("tests", ""))
