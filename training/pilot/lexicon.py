"""Word lists by theme, and the random values that every task draws from them."""

import random
from functools import cache
from pathlib import Path

DATA = Path(__file__).parent / "data"


@cache
def _sections(name: str) -> dict[str, list[str]]:
    sections: dict[str, list[str]] = {}
    for line in (DATA / name).read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            current = sections.setdefault(line[3:].strip(), [])
        else:
            current.extend(line.split())
    return sections


def groups(name: str) -> list[list[str]]:
    """Lines of words that mean about the same; the first is the plain one."""
    return [line.split(",") for line in (DATA / name).read_text(encoding="utf-8").splitlines()]


def english(section: str) -> list[str]:
    return _sections("words_en.txt")[section]


def chinese(section: str) -> list[str]:
    return _sections("words_zh.txt")[section]


@cache
def hanzi() -> str:
    return "".join((DATA / "hanzi.txt").read_text(encoding="utf-8").split())


@cache
def all_words() -> list[str]:
    seen = {
        w for key, words in _sections("words_en.txt").items() if key != "syllable" for w in words
    }
    return sorted(seen)


@cache
def nouns() -> list[str]:
    return [w for key in ("animal", "food", "object", "place", "job") for w in english(key)]


def pseudo_word(rng: random.Random, low: int = 2, high: int = 4) -> str:
    return "".join(rng.choices(english("syllable"), k=rng.randint(low, high)))


def word(rng: random.Random) -> str:
    return pseudo_word(rng) if rng.random() < 0.12 else rng.choice(all_words())


def noun(rng: random.Random) -> str:
    return rng.choice(nouns())


def first_name(rng: random.Random) -> str:
    if rng.random() < 0.15:
        return pseudo_word(rng, 2, 3).capitalize()
    return rng.choice(english("first"))


def last_name(rng: random.Random) -> str:
    if rng.random() < 0.2:
        return pseudo_word(rng, 2, 3).capitalize()
    return rng.choice(english("last"))


def full_name(rng: random.Random) -> str:
    return f"{first_name(rng)} {last_name(rng)}"


def city(rng: random.Random) -> str:
    roll = rng.random()
    if roll < 0.25:
        return pseudo_word(rng, 2, 3).capitalize()
    if roll < 0.32:
        kind = rng.choice("New,San,Port,North,East,Saint,Los,Fort,Lake,Upper".split(","))
        return f"{kind} {rng.choice([pseudo_word(rng, 2, 3).capitalize(), last_name(rng)])}"
    return rng.choice(english("city"))


def company(rng: random.Random) -> str:
    tail = rng.choice(
        "Labs,Group,Works,Systems,Foods,Motors,Energy,Media,Logistics,Studio,Partners,"
        "Industries,Solutions,Robotics,Trading,Design".split(",")
    )
    head = rng.choice(
        [pseudo_word(rng, 2, 3).capitalize(), last_name(rng), rng.choice(nouns()).capitalize()]
    )
    return f"{head} {tail}"


UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
LOWER = UPPER.lower()
DIGITS = "0123456789"


def code(rng: random.Random, low: int = 4, high: int = 12) -> str:
    size = rng.randint(low, high)
    alphabet = rng.choice(
        [
            UPPER + DIGITS,
            UPPER + DIGITS,
            LOWER + DIGITS,
            UPPER,
            LOWER,
            DIGITS,
            UPPER + LOWER + DIGITS,
            "0123456789abcdef",
        ]
    )
    raw = "".join(rng.choices(alphabet, k=size))
    roll = rng.random()
    if roll < 0.3 and size >= 4:
        cut = rng.randint(1, size - 1)
        return raw[:cut] + rng.choice("---_.:") + raw[cut:]
    if roll < 0.42:
        head = rng.choice(
            [
                rng.choice(all_words()).upper(),
                rng.choice(all_words()),
                rng.choice(all_words()).capitalize(),
            ]
        )
        return f"{head}{rng.choice('---_')}{raw[:8]}"
    return raw


def identifier(rng: random.Random) -> str:
    """An order number or the like: a short prefix and digits."""
    digits = "".join(rng.choices(DIGITS, k=rng.randint(2, 6)))
    prefix = "".join(rng.choices(UPPER, k=rng.randint(1, 4)))
    return rng.choice(
        [
            f"{prefix}-{digits}",
            f"{prefix}{digits}",
            f"{digits}",
            f"#{digits}"[1:],
            f"{prefix}-{digits}-{rng.choice(UPPER)}",
            f"{prefix.lower()}_{digits}",
            code(rng, 4, 8),
        ]
    )


def email(rng: random.Random) -> str:
    local = rng.choice(
        [
            first_name(rng).lower(),
            f"{first_name(rng)}.{last_name(rng)}".lower(),
            f"{noun(rng)}{rng.randint(1, 99)}",
            rng.choice("info,office,sales,support,hello,team,billing".split(",")),
        ]
    )
    domain = rng.choice([pseudo_word(rng), noun(rng), "example", "mail", "post", last_name(rng)])
    return f"{local}@{domain.lower()}.{rng.choice('com,org,net,io,de,eu,co.uk,cn'.split(','))}"


def url(rng: random.Random) -> str:
    path = "/".join(word(rng).lower() for _ in range(rng.randint(0, 2)))
    return f"https://{rng.choice(['www.', '', 'api.'])}{pseudo_word(rng)}.{rng.choice(['com', 'org', 'io'])}/{path}"


def file_path(rng: random.Random) -> str:
    name = "_".join(word(rng).lower() for _ in range(rng.randint(1, 2)))
    suffix = rng.choice("pdf,txt,csv,docx,png,jpg,json,md,xlsx,log".split(","))
    folder = rng.choice(
        ["", "", f"/{noun(rng)}/", f"{noun(rng)}/", f"/home/{first_name(rng).lower()}/"]
    )
    return f"{folder}{name}.{suffix}"


MONTHS = (
    "January February March April May June July August September October November December"
).split()
WEEKDAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()


def iso_date(rng: random.Random) -> str:
    return f"{rng.randint(2019, 2031)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}"


def date(rng: random.Random) -> str:
    day, month, year = rng.randint(1, 28), rng.choice(MONTHS), rng.randint(2019, 2031)
    return rng.choice(
        [
            iso_date(rng),
            iso_date(rng),
            f"{day} {month} {year}",
            f"{month} {day}",
            f"{month} {day}, {year}",
            f"{day} {month}",
        ]
    )


def clock(rng: random.Random) -> str:
    hour, minute = rng.randint(0, 23), rng.choice([0, 0, 15, 30, 45, rng.randint(0, 59)])
    return rng.choice(
        [
            f"{hour:02d}:{minute:02d}",
            f"{hour:02d}:{minute:02d}",
            f"{rng.randint(1, 12)} {rng.choice(['am', 'pm'])}",
            f"{rng.randint(1, 12)}:{minute:02d} {rng.choice(['am', 'pm', 'AM', 'PM'])}",
        ]
    )


def phone(rng: random.Random) -> str:
    parts = ["".join(rng.choices(DIGITS, k=k)) for k in (3, 3, 4)]
    return rng.choice(
        [
            f"+{rng.randint(1, 99)} {parts[0]} {parts[1]}{parts[2]}",
            "-".join(parts),
            f"0{parts[0]}{parts[2]}",
            f"+{rng.randint(1, 99)}{''.join(parts)}",
        ]
    )


def amount(rng: random.Random) -> float | int:
    if rng.random() < 0.5:
        return rng.choice([rng.randint(1, 99), rng.randint(1, 999), rng.randint(1, 200) * 50])
    value = round(rng.uniform(0.1, rng.choice([10, 100, 5000])), rng.choice([1, 2, 2]))
    return int(value) if value == int(value) else value


def words(rng: random.Random, low: int = 1, high: int = 4) -> str:
    return " ".join(word(rng).lower() for _ in range(rng.randint(low, high)))


NUMBER_WORDS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen "
    "fourteen fifteen sixteen seventeen eighteen nineteen twenty"
).split()


def zh_name(rng: random.Random) -> str:
    return rng.choice(chinese("surname")) + rng.choice(chinese("given"))


def zh_chars(rng: random.Random, low: int = 2, high: int = 8) -> str:
    return "".join(rng.choices(hanzi(), k=rng.randint(low, high)))


def zh_phrase(rng: random.Random) -> str:
    return rng.choice(chinese("adjective")) + rng.choice(["的", ""]) + rng.choice(chinese("noun"))


# Past and base form.
VERBS = [
    p.split(":")
    for p in """repaired:repair sold:sell bought:buy painted:paint found:find lost:lose built:build
opened:open closed:close visited:visit cleaned:clean moved:move signed:sign printed:print tested:test ordered:order
borrowed:borrow rented:rent designed:design invented:invent studied:study discovered:discover collected:collect
delivered:deliver received:receive returned:return replaced:replace measured:measure checked:check inspected:inspect
filled:fill emptied:empty packed:pack loaded:load carried:carry pushed:push pulled:pull cooked:cook baked:bake
brought:bring kept:keep left:leave won:win used:use planned:plan started:start finished:finish stopped:stop
recorded:record photographed:photograph described:describe reported:report translated:translate explained:explain
published:publish reviewed:review financed:finance organized:organize presented:present announced:announce
cancelled:cancel booked:book reserved:reserve paid:pay spent:spend saved:save counted:count planted:plant watered:water
fed:feed caught:catch heard:hear made:make sent:send copied:copy stored:store hid:hide locked:lock unlocked:unlock
installed:install updated:update removed:remove restored:restore renamed:rename shipped:ship tasted:taste prepared:prepare
inherited:inherit donated:donate damaged:damage burned:burn dropped:drop lifted:lift supplied:supply tuned:tune
led:lead taught:teach joined:join supported:support met:meet hired:hire trained:train""".split()
]
