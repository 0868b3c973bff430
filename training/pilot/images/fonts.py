"""Faces for training and faces kept apart for measuring, cut down from the system's fonts.

python -m training.pilot.images.fonts .pilot/fonts     (fonts from the packages in FONT-PACKAGES.txt)
"""

import argparse
import logging
import re
import subprocess
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from PIL import ImageFont

from .. import lexicon as lx

LATIN = "".join(map(chr, range(32, 127))) + "€£°×–—’“”…é"
CJK_MARKS = "，。！？、：；“”（）《》￥"
HELD_FAMILIES = {
    "Carlito",
    "Clear Sans",
    "Courier Prime",
    "Oxygen-Sans",
    "Gentium Plus",
    "Gentium Book Plus",
    "B612",
    "Inter",
    "Cabin",
    "AR PL UMing CN",
    "WenQuanYi Micro Hei",
}
CJK_FILES = re.compile(
    r"(NotoSansCJK-(Regular|Bold|Light|Medium)|NotoSerifCJK-(Regular|Bold|Medium)|uming|ukai|"
    r"wqy-zenhei|wqy-microhei|gbsn00lp|gkai00mp|LXGWWenKai-(Regular|Bold|Light)|"
    r"DroidSansFallbackFull|SmileySans)"
)
CJK_FAMILIES = re.compile(
    r"(Noto (Sans|Serif) CJK SC|AR PL UMing CN|AR PL UKai CN|WenQuanYi (Zen|Micro) Hei$|"
    r"AR PL SungtiL|AR PL KaitiM|LXGW WenKai$|Droid Sans Fallback|Smiley Sans)"
)
UNFIT = re.compile(
    r"(Balker|Caliban|Dkg|Domestic|Abogado|wasn't|Junkyard|Marked|Penguin|Wargames|Winks|flatline|"
    r"progenisis|Caps|Smallcaps|Keyboard|Initials|Math|STIX[A-Z]\w*[a-z]|D050000L|Symbols|Chorus|"
    r"Z003|Noto (Sans|Serif|Kufi|Looped|Naskh|Nast|Rashi|Music|Trad|Color)( \w|$)|Tamil|Bajaderka|"
    r"TypoScript|Cupola|Swift$|^sans$|Old Standard|Upright|Unslanted|Quotation|Style Std|"
    r"Script|Dunhill|CMU Classical|Condensed$|No3|Purisa|OpenDyslexicMono|Junicode|Monoisome|Inter Display|Clear Sans )"
)
UNFIT_STYLES = re.compile(
    r"(Thin|Hairline|ExtraLight|Extra Light|UltraLight|Black|Heavy|Ultra|ExtraBold|Extra Bold|"
    r"Outline|Shadow|Wide|Expanded)",
    re.I,
)
KEPT_NOTO = {
    "Noto Sans",
    "Noto Serif",
    "Noto Sans Mono",
    "Noto Sans Display",
    "Noto Serif Display",
    "Noto Mono",
}
STYLES_PER_FAMILY = 4
PLAIN_STYLES = {"Regular", "Book", "Roman", "Medium", "Sans", "Normal"}


@dataclass(frozen=True)
class Face:
    path: Path
    chinese: bool
    held: bool


def _installed() -> list[tuple[str, str, str, int]]:
    shape = "%{family[0]}|%{style[0]}|%{file}|%{index}\n"
    found = subprocess.run(
        ["fc-list", "--format", shape], capture_output=True, text=True, check=True
    ).stdout
    rows = [line.split("|") for line in found.splitlines() if line.count("|") == 3]
    kept = (
        (f, s, p, int(i) & 0xFFFF) for f, s, p, i in rows if p.endswith((".ttf", ".otf", ".ttc"))
    )
    return sorted(kept, key=lambda r: (r[0], r[1] not in PLAIN_STYLES, r[1], r[2]))


def _fits(family: str, style: str) -> bool:
    if family in KEPT_NOTO:
        return not UNFIT_STYLES.search(style)
    return not UNFIT.search(family) and not UNFIT_STYLES.search(f"{family} {style}")


def pack(target: Path) -> None:
    """Write the subsets; a face that lacks a character, or draws a box for it, is left out."""
    from fontTools import subset
    from fontTools.ttLib import TTFont

    logging.getLogger("fontTools").setLevel(logging.CRITICAL)  # tables that nobody needs here
    per_family: dict[str, int] = {}
    seen: set[str] = set()
    for family, style, path, index in _installed():
        chinese = bool(CJK_FILES.search(path))
        if chinese and not CJK_FAMILIES.match(family):
            continue
        if not chinese and (
            not _fits(family, style) or per_family.get(family, 0) >= STYLES_PER_FAMILY
        ):
            continue
        name = re.sub(r"\W+", "-", f"{family}-{style}")
        if name in seen:
            continue
        font = TTFont(path, fontNumber=index, lazy=True)
        wanted = LATIN + (lx.hanzi() + CJK_MARKS if chinese else "")
        cmap = font.getBestCmap() or {}
        missing = [c for c in (lx.hanzi() if chinese else LATIN[:95]) if ord(c) not in cmap]
        if len(missing) > (20 if chinese else 0):
            continue
        options = subset.Options(
            layout_features=["kern", "liga"] if not chinese else [],
            hinting=True,
            notdef_outline=True,
            ignore_missing_unicodes=True,
        )
        cutter = subset.Subsetter(options)
        cutter.populate(text=wanted)
        cutter.subset(font)
        kind = ("held" if family in HELD_FAMILIES else "train") + ("-zh" if chinese else "")
        out = target / kind / f"{name}{'.otf' if 'CFF ' in font else '.ttf'}"
        out.parent.mkdir(parents=True, exist_ok=True)
        font.save(out)
        if not chinese and not _legible(out):
            out.unlink()
            continue
        seen.add(name)
        per_family[family] = per_family.get(family, 0) + 1


def _legible(path: Path) -> bool:
    """No capitals in place of small letters, no old-style digits, no blank glyphs."""
    face = ImageFont.truetype(str(path), 64)
    boxes = {c: face.getbbox(c) for c in LATIN[1:95]}
    if any(b[2] <= b[0] or b[3] <= b[1] for b in boxes.values()):
        return False
    digits = [boxes[c][3] - boxes[c][1] for c in "0123456789"]
    small = boxes["x"][3] - boxes["x"][1]
    return min(digits) > 0.86 * max(digits) and small < 0.9 * (boxes["X"][3] - boxes["X"][1])


@cache
def faces(folder: str, held: bool, chinese: bool) -> list[Face]:
    kind = ("held" if held else "train") + ("-zh" if chinese else "")
    return [Face(p, chinese, held) for p in sorted((Path(folder) / kind).iterdir())]


@cache
def coverage(path: Path) -> frozenset[str]:
    from fontTools.ttLib import TTFont

    return frozenset(map(chr, TTFont(path, lazy=True).getBestCmap()))


@lru_cache(maxsize=600)
def load(path: Path, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(path), size, layout_engine=ImageFont.Layout.BASIC)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    pack(parser.parse_args().folder)


if __name__ == "__main__":
    main()
