"""The report as JUnit XML, which any CI reads."""

import xml.etree.ElementTree as ET

from ..result import CheckResult, Report, Run
from .texts import Lang, Texts

# What XML 1.0 can't hold, and a model may well say.
_FORBIDDEN = {code: "�" for code in (*range(0x20), 0xFFFE, 0xFFFF) if code not in (0x9, 0xA, 0xD)}
_FORBIDDEN |= dict.fromkeys(range(55296, 57344), "�")


def junit(report: Report, lang: Lang = "en") -> str:
    say = Texts(lang)
    root = ET.Element("testsuites", name="mlxd smoke")
    for run in report.runs:
        root.append(_suite(run, say))
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _suite(run: Run, say: Texts) -> ET.Element:
    over = bool(run.error or run.cut_short)
    suite = ET.Element(
        "testsuite",
        name=_clean(f"{run.target.name} {run.target.model}".strip()),
        tests=str(len(run.checks) + over),
        failures=str(run.count("FAIL")),
        errors=str(run.count("ERROR") + over),
        skipped=str(run.count("SKIPPED")),
        time=f"{run.seconds:.3f}",
        timestamp=run.started,
    )
    for check in run.checks:
        suite.append(_case(check, run, say))
    if why := run.error or run.cut_short:
        # Else a run of which nothing failed because nothing ran would be green.
        case = ET.SubElement(suite, "testcase", classname=_clean(run.target.name), name="run")
        case.set("time", "0.000")
        told = _clean(say.told(why))
        ET.SubElement(case, "error", type="error", message=told.partition("\n")[0])
        ET.SubElement(suite, "system-err").text = told
    return suite


def _case(check: CheckResult, run: Run, say: Texts) -> ET.Element:
    case = ET.Element(
        "testcase",
        classname=_clean(f"{run.target.name}.{check.suite}"),
        name=f"{check.id}: {check.title[say.lang]}",
        time=f"{sum(one.seconds for one in check.rounds):.3f}",
    )
    if check.verdict == "SKIPPED":
        ET.SubElement(case, "skipped", message=_clean(say.told(check.reason)))
    elif check.verdict in ("FAIL", "ERROR"):
        tag = "failure" if check.verdict == "FAIL" else "error"
        cause = say.category(check.category) or say.told(check.reason)
        problem = ET.SubElement(case, tag, type=check.category or "error", message=_clean(cause))
        problem.text = _clean(_rounds(check, say))
    return case


def _rounds(check: CheckResult, say: Texts) -> str:
    lines = [say.told(check.reason)] if check.reason else []
    for one in check.rounds:
        if one.verdict in ("FAIL", "ERROR"):
            cause = say.category(one.category)
            lines.append(f"{say('round')} {one.number}: {cause}: {say.told(one.message)}")
            if one.expected or one.got:
                lines.append(f"  {say('expected')}: {one.expected}")
                lines.append(f"  {say('got')}: {one.got}")
            lines += [f"  {exchange.curl}" for exchange in one.exchanges[-1:]]
    return "\n".join(lines)


def _clean(text: str) -> str:
    return text.translate(_FORBIDDEN)
