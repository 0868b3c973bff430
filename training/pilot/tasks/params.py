"""Kinds of tool parameter: how they are named, typed, filled, and spoken of in a request."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .. import lexicon as lx
from ..phrase import choose

Value = tuple[Any, str]  # what stands in the arguments, what stands in the request


def _same(draw: Callable[[random.Random], str]) -> Callable[[random.Random], Value]:
    def value(rng: random.Random) -> Value:
        text = draw(rng)
        return text, text

    return value


def whole(low: int, high: int) -> Callable[[random.Random], Value]:
    def value(rng: random.Random) -> Value:
        number = rng.randint(low, high)
        if number <= 20 and rng.random() < 0.2:
            return number, lx.NUMBER_WORDS[number]
        return number, str(number)

    return value


def decimal(rng: random.Random) -> Value:
    number = lx.amount(rng)
    return number, str(number)


def numeral(rng: random.Random) -> Value:
    text = "".join(rng.choices(lx.DIGITS, k=rng.randint(2, 8)))
    return text, text


def phrase(rng: random.Random) -> Value:
    text = lx.words(rng, 1, 3)
    return text, text


def quoted(rng: random.Random) -> Value:
    text = sentence(rng)
    mark = rng.choice(['"', '"', "'", "“"])
    return text, f"{mark}{text}{'”' if mark == '“' else mark}"


def sentence(rng: random.Random) -> str:
    text = choose(
        rng,
        rng.choice(
            [
                "I will be [late|early|there soon]",
                "The {a} {n} is [ready|broken|here|missing]",
                "[Please|Don't forget to] {v} the {n}",
                "See you at the {p}",
                "{v} the {n} before {d}",
                "We need [more|{k}] {n}s",
                "Happy birthday",
                "Thanks for the {n}",
                "Meeting moved to {d}",
                "{a} {n} for {f}",
                "The {n} costs {k}",
                "Call {f} about the {n}",
                "{n} and {n2}",
            ]
        ),
    )
    swaps = {
        "a": rng.choice(lx.english("adjective")),
        "n": lx.noun(rng),
        "n2": lx.noun(rng),
        "v": rng.choice(lx.english("verb")),
        "p": rng.choice(lx.english("place")),
        "d": rng.choice(lx.WEEKDAYS),
        "k": str(rng.randint(2, 90)),
        "f": lx.first_name(rng),
    }
    for key, swap in swaps.items():
        text = text.replace("{" + key + "}", swap)
    return text[0].upper() + text[1:] if rng.random() < 0.7 else text


def title(rng: random.Random) -> Value:
    text = " ".join(lx.word(rng).capitalize() for _ in range(rng.randint(1, 3)))
    return text, rng.choice([text, text, f'"{text}"', f"'{text}'"])


def several(draw: Callable[[random.Random], str]) -> Callable[[random.Random], Value]:
    def value(rng: random.Random) -> Value:
        items: list[str] = []
        for _ in range(rng.choice([1, 2, 2, 3, 3, 4])):
            item = draw(rng)
            if item not in items:
                items.append(item)
        if len(items) == 1:
            return items, items[0]
        link = rng.choice([" and ", ", and ", ", "])
        return items, ", ".join(items[:-1]) + link + items[-1]

    return value


def several_numbers(rng: random.Random) -> Value:
    items = [rng.randint(1, 99) for _ in range(rng.randint(2, 4))]
    return items, ", ".join(map(str, items[:-1])) + rng.choice([" and ", ", "]) + str(items[-1])


def stamp(rng: random.Random) -> Value:
    text = f"{lx.iso_date(rng)}T{rng.randint(0, 23):02d}:{rng.randint(0, 59):02d}:00"
    return text, text


def day(rng: random.Random) -> Value:
    text = rng.choice([lx.date(rng), lx.date(rng), rng.choice(lx.WEEKDAYS), "tomorrow", "today"])
    return text, text


@dataclass(frozen=True)
class Kind:
    """One kind of parameter. Templates use {v} for the value and {p} for the parameter's name."""

    names: str
    type: str
    value: Callable[[random.Random], Value]
    frags: str
    descs: str
    items: str = ""


KINDS: dict[str, Kind] = {
    "city": Kind(
        "city|location|place|town|city_name|where|destination",
        "string",
        _same(lx.city),
        "in {v}|for {v}|in {v}|near {v}|at {v}",
        "[The city|City name|Name of the city|Which city|Place to use|Town or city]",
    ),
    "country": Kind(
        "country|nation|country_name|region",
        "string",
        _same(lambda r: r.choice(lx.english("country"))),
        "in {v}|for {v}|from {v}",
        "[The country|Country name|Which country]",
    ),
    "person": Kind(
        "name|person|customer|customer_name|recipient|contact|user|owner|assignee|author|"
        "employee|patient|guest|student|member|client|driver|teacher",
        "string",
        _same(lx.full_name),
        "for {v}|by {v}|for {p} {v}|with {v}|{p} {v}",
        "[Name of the {p}|The {p}|Full name|Who it is for|Person's name]",
    ),
    "first": Kind(
        "name|first_name|recipient|user|attendee|friend|to|who",
        "string",
        _same(lx.first_name),
        "for {v}|to {v}|with {v}|to my friend {v}",
        "[First name|Name|Who|The person's name]",
    ),
    "email": Kind(
        "email|to|recipient|address|email_address|mail|contact_email|sender",
        "string",
        _same(lx.email),
        "to {v}|at {v}|for {v}|with email {v}|email {v}",
        "[Email address|Where to send it|The e-mail address|Recipient's email]",
    ),
    "phone": Kind(
        "phone|number|phone_number|mobile|tel|contact_number",
        "string",
        _same(lx.phone),
        "at {v}|on {v}|with phone {v}|phone number {v}|tel. {v}",
        "[Phone number|Number to call|Telephone]",
    ),
    "date": Kind(
        "date|day|when|on|due_date|start_date|deadline|departure_date|until",
        "string",
        day,
        "on {v}|for {v}|by {v}|{p} {v}",
        "[The date|Day|Date to use|Which day|When]",
    ),
    "iso": Kind(
        "date|day|from_date|to_date|since|due|check_in|check_out",
        "string",
        _same(lx.iso_date),
        "on {v}|for {v}|{p} {v}|dated {v}",
        "[Date, YYYY-MM-DD|ISO date|The date|Date as YYYY-MM-DD]",
    ),
    "stamp": Kind(
        "timestamp|start|datetime|at|starts_at|scheduled_for",
        "string",
        stamp,
        "at {v}|for {v}|{p} {v}",
        "[ISO 8601 time|Date and time|When it starts]",
    ),
    "time": Kind(
        "time|at|start_time|hour|clock|alarm_time|pickup_time|begin",
        "string",
        _same(lx.clock),
        "at {v}|for {v}|{p} {v}",
        "[Time of day|The time|When|Start time, HH:MM|Clock time]",
    ),
    "id": Kind(
        "id|order_id|reference|ticket_id|number|code|ref|tracking_number|account_id|sku|"
        "serial|key|case_number|booking_code|item_id|record_id|uid",
        "string",
        _same(lx.identifier),
        "{p} {v}|with {p} {v}|{v}|number {v}|no. {v}|{p}: {v}|({v})",
        "[The {p}|Unique identifier|Identifier of the item|The reference|Id]",
    ),
    "code": Kind(
        "code|token|serial_number|sku|product_code|voucher|plate|batch|part_number|barcode",
        "string",
        _same(lx.code),
        "{p} {v}|with {p} {v}|{v}|using {v}|{p}: {v}",
        "[The {p}|{p} to use|Code|Exact {p}]",
    ),
    "zip": Kind(
        "zip|postal_code|postcode|zip_code|pin|account_number|room|extension|isbn|gate",
        "string",
        numeral,
        "{p} {v}|with {p} {v}|{p}: {v}|in {p} {v}|for {p} {v}",
        "[The {p}|{p} as text|{p}]",
    ),
    "intid": Kind(
        "id|user_id|order_id|room_id|number|item_id|invoice_number|case_id|page|floor",
        "integer",
        whole(1, 99999),
        "{p} {v}|number {v}|with {p} {v}|{v}|no. {v}|{p}: {v}",
        "[The {p}|Numeric id|Number of the item|{p}]",
    ),
    "count": Kind(
        "count|quantity|amount|number|copies|guests|people|seats|pieces|nights|days|units|"
        "tickets|rooms|hours|bottles|boxes|times|repeat|stock|num_items|party_size|adults",
        "integer",
        whole(1, 60),
        "{p} {v}|for {v} {p}|{v} {p}|with {v} {p}|{p}: {v}|{v} {p}",
        "[How many {p}|Number of {p}|The {p}|Quantity|{p}]",
    ),
    "limit": Kind(
        "limit|max_results|top|top_k|n|page_size|max_items|count|results",
        "integer",
        whole(1, 100),
        "at most {v}|the first {v}|top {v}|limit {v}|{v} results|no more than {v}|only {v} of them",
        "[Maximum number of results|How many to return|Result limit|Limit]",
    ),
    "minutes": Kind(
        "minutes|duration|duration_minutes|length|delay|timeout|seconds|wait|interval",
        "integer",
        whole(1, 240),
        "for {v} minutes|{v} minutes|of {v} minutes|{p} {v}|in {v} minutes",
        "[Minutes|Length in minutes|How long, in minutes|Duration]",
    ),
    "percent": Kind(
        "percent|level|volume|brightness|percentage|speed|opacity|humidity|discount|power|"
        "battery|rate|progress",
        "integer",
        whole(0, 100),
        "to {v} percent|at {v} percent|{v}%|{p} {v}|to {v}|at {v}%|to {v}%",
        "[Percent|Level from 0 to 100|{p}, 0-100|New {p}]",
    ),
    "money": Kind(
        "amount|price|max_price|budget|total|sum|cost|limit|value|salary|fee|payment|fare|"
        "deposit|min_price",
        "number",
        decimal,
        "{p} {v}|of {v}|for {v} euros|{v} dollars|{p}: {v}|with {p} {v}|under {v}|{v} EUR|{v} USD",
        "[The {p}|Amount of money|{p} in euros|{p}]",
    ),
    "number": Kind(
        "value|x|weight|height|width|distance|temperature|length|radius|size|score|depth|"
        "rate|threshold|ratio|angle|speed|pressure|factor|a|b|latitude|longitude",
        "number",
        decimal,
        "{p} {v}|with {p} {v}|{p}: {v}|of {v}|{p} of {v}|to {v}|a {p} of {v}",
        "[The {p}|{p}|Numeric {p}|{p} as a number]",
    ),
    "text": Kind(
        "text|message|content|body|note|comment|description|reason|summary|caption|details|subject",
        "string",
        quoted,
        "{p} {v}|saying {v}|with the {p} {v}|{p}: {v}|: {v}|that reads {v}",
        "[The {p}|Text to use|{p} of the item|What it says]",
    ),
    "query": Kind(
        "query|q|search|keyword|keywords|term|topic|subject|text|search_term|phrase",
        "string",
        phrase,
        "for {v}|about {v}|on {v}|matching {v}|with {v}|related to {v}|{p} {v}",
        "[What to look for|Search words|The {p}|Query text|{p}]",
    ),
    "title": Kind(
        "title|name|label|project|playlist|book|folder|event|product|movie|song|channel|album|"
        "list_name|file_name|team|course|game|group|device",
        "string",
        title,
        "called {v}|named {v}|{p} {v}|titled {v}|with the {p} {v}|{v}|{p}: {v}|in {v}",
        "[The {p}|Name of the {p}|{p} to use|Its {p}]",
    ),
    "item": Kind(
        "item|product|food|object|thing|device|animal|tool|ingredient|good|article|type|category",
        "string",
        _same(lx.noun),
        "{p} {v}|for the {v}|the {v}|of the {v}|a {v}|{v}",
        "[The {p}|Which {p}|Name of the {p}|{p}]",
    ),
    "path": Kind(
        "path|file|filename|file_path|document|source|attachment|input_file|target",
        "string",
        _same(lx.file_path),
        "{v}|{p} {v}|in {v}|from {v}|for {v}",
        "[Path of the file|The {p}|File to use]",
    ),
    "url": Kind(
        "url|link|website|address|page|endpoint|site|webhook",
        "string",
        _same(lx.url),
        "{v}|at {v}|from {v}|{p} {v}",
        "[The URL|Web address|Link to use|{p}]",
    ),
    "company": Kind(
        "company|employer|supplier|vendor|brand|firm|organisation|customer|merchant",
        "string",
        _same(lx.company),
        "for {v}|from {v}|at {v}|with {v}|{p} {v}",
        "[The {p}|Name of the company|Which {p}]",
    ),
    "tags": Kind(
        "tags|items|labels|names|ingredients|products|keywords|categories|fields|columns|topics|"
        "files|colors|features",
        "array",
        several(lx.noun),
        "with {v}|with {p} {v}|{p}: {v}|{p} {v}|containing {v}|for {v}",
        "[List of {p}|The {p}|{p}]",
        "string",
    ),
    "people": Kind(
        "attendees|participants|guests|members|users|invitees|recipients|players|names",
        "array",
        several(lx.first_name),
        "with {v}|for {v}|{p}: {v}|and invite {v}|{p} {v}",
        "[Names of the {p}|The {p}|Who takes part]",
        "string",
    ),
    "mails": Kind(
        "recipients|to|emails|cc|addresses",
        "array",
        several(lx.email),
        "to {v}|{p}: {v}|for {v}",
        "[Email addresses|List of {p}]",
        "string",
    ),
    "numbers": Kind(
        "numbers|values|ids|scores|measurements|data|points|levels|sizes",
        "array",
        several_numbers,
        "{v}|of {v}|{p} {v}|for {v}|{p}: {v}",
        "[List of numbers|The {p}|Numeric {p}]",
        "integer",
    ),
}

CHOICES: dict[str, list[str]] = {
    "unit|units|scale": ["celsius", "fahrenheit", "kelvin"],
    "priority|severity|urgency|importance": ["low", "medium", "high", "urgent"],
    "size": ["small", "medium", "large"],
    "format|file_type|output|export_format": ["pdf", "csv", "json", "xlsx", "html"],
    "mode|setting|profile": ["fast", "normal", "quiet", "eco", "turbo", "auto"],
    "status|state|stage": ["open", "closed", "pending", "done", "blocked"],
    "color|colour|shade": ["red", "green", "blue", "white", "yellow", "purple", "black"],
    "language|lang|target_language|locale": [
        "English",
        "German",
        "French",
        "Spanish",
        "Chinese",
        "Italian",
        "Japanese",
    ],
    "currency|currency_code": ["EUR", "USD", "GBP", "JPY", "CHF"],
    "direction|side": ["north", "south", "east", "west", "left", "right"],
    "sort|order|sort_by|order_by": ["newest", "oldest", "cheapest", "popular", "price", "rating"],
    "transport|vehicle|travel_mode": ["car", "train", "bus", "bike", "plane"],
    "period|interval|frequency|recurrence": ["daily", "weekly", "monthly", "yearly", "hourly"],
    "category|type|section|department|genre|kind": [
        "sports",
        "music",
        "science",
        "business",
        "health",
        "travel",
        "food",
        "art",
    ],
    "cabin|class|tier|plan|level": ["economy", "business", "first", "basic", "premium"],
    "payment_method|method|channel": ["card", "cash", "transfer", "email", "sms", "phone"],
    "meal|course|time_of_day": ["breakfast", "lunch", "dinner", "morning", "evening"],
    "role|access|permission": ["admin", "editor", "viewer", "guest", "owner"],
    "quality|resolution": ["low", "standard", "high", "ultra"],
    "style|tone|theme": ["formal", "casual", "friendly", "dark", "light", "plain"],
}
CHOICE_FRAGS = (
    "{p} {v}|with {p} {v}|{p}: {v}|in {v}|{v}|as {v}|set {p} to {v}|using {v}|"
    "{v} {p}|with {v} {p}|make it {v}"
)

SWITCHES: dict[str, tuple[str, str]] = {
    "urgent|is_urgent": ("it is urgent|urgently|mark it as urgent", "it is not urgent|no rush"),
    "notify|send_notification|alert": (
        "and notify me|with a notification|and let everyone know",
        "without a notification|and don't notify anyone",
    ),
    "gift_wrap|wrap": ("gift wrapped|with gift wrapping", "without gift wrapping|no gift wrap"),
    "recursive": ("including subfolders|recursively", "without subfolders|not recursively"),
    "breakfast|include_breakfast": (
        "with breakfast|breakfast included",
        "without breakfast|no breakfast",
    ),
    "private|is_private": ("make it private|keep it private", "make it public|not private"),
    "dry_run|simulate": ("as a dry run|only simulate it", "for real|not as a dry run"),
    "express|express_shipping|fast": (
        "with express shipping|by express",
        "without express|no express",
    ),
    "all_day": ("all day|for the whole day", "not all day"),
    "force|overwrite": ("force it|overwrite if needed", "don't force it|without overwriting"),
    "refundable": ("refundable|it must be refundable", "non-refundable|it need not be refundable"),
    "include_tax|with_tax": ("including tax|with tax", "excluding tax|without tax"),
    "shuffle|random": ("shuffled|in random order", "not shuffled|in order"),
    "loop|repeat": ("on repeat|looped", "without repeating|only once"),
    "verbose|detailed|details": ("with all details|in detail", "without details|no details"),
    "insured|insurance": ("with insurance|insured", "without insurance|not insured"),
    "enabled|active|on|state": (
        "turn it on|enabled|switched on",
        "turn it off|disabled|switched off",
    ),
    "vegetarian|vegan": ("vegetarian|it must be vegetarian", "not vegetarian|meat is fine"),
    "round_trip|return_trip": ("round trip|and back", "one way|no return"),
    "archive|archived": ("and archive it|archived", "don't archive it|not archived"),
}
