"""How quick a served pilot is: python -m training.pilot.speed --url http://127.0.0.1:60315/v1

Three figures, each the best of some rounds, so that other work on the machine counts least: how
long the engine took from its first sign of life to its first token, tokens a second for one client, and the seconds in
which a picture of 640 by 160 pixels with printed text is read.
"""

import argparse
import json
import time
import urllib.request

from PIL import Image, ImageDraw, ImageFont

from .evaluate import Server, picture

COUNTING = "Count from 1 to 200, separated by commas."
TOKENS = 900
LINES = ("Invoice 7731 of 12 May", "Total: 418.50 EUR", "Thank you for your order!")


def page() -> Image.Image:
    image = Image.new("RGB", (640, 160), "white")
    pen = ImageDraw.Draw(image)
    for i, line in enumerate(LINES):
        pen.text((16, 12 + 48 * i), line, fill="black", font=ImageFont.load_default(30))
    return image


def load_seconds(url: str, key: str) -> float | None:
    """From the engine's first sign of life to its first token, imports included; only mlxd tells."""
    request = urllib.request.Request(
        url.removesuffix("/v1") + "/status", headers={"authorization": f"Bearer {key}"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        engines = json.load(answer).get("engines", {})
    for engine in engines.values():
        at = {step["state"]: step["at"] for step in engine.get("history", [])}
        if "loading" in at and "ready" in at:
            return float(at["ready"] - at["loading"])
    return None


def tokens_a_second(server: Server) -> float:
    """Times the whole of a long answer against its first token alone."""
    body = {"model": server.model, "temperature": 0}
    body["messages"] = [{"role": "user", "content": COUNTING}]

    def ask(limit: int) -> tuple[float, int]:
        request = urllib.request.Request(
            f"{server.url}/chat/completions",
            json.dumps({**body, "max_tokens": limit}).encode(),
            {"content-type": "application/json", "authorization": f"Bearer {server.key}"},
        )
        began = time.perf_counter()
        with urllib.request.urlopen(request, timeout=300) as answer:
            made = json.load(answer)["usage"]["completion_tokens"]
        return time.perf_counter() - began, made

    first, one = ask(1)
    whole, made = ask(TOKENS)
    return (made - one) / (whole - first)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", default="http://127.0.0.1:60315/v1")
    parser.add_argument("--model", default="pilot")
    parser.add_argument("--key", default="none")
    parser.add_argument("--rounds", type=int, default=5)
    a = parser.parse_args()
    server = Server(a.url, a.model, a.key)
    server.ask([{"role": "user", "content": "Reply only OK"}])
    loaded = load_seconds(server.url, a.key)
    told = "not told by this server" if loaded is None else f"{loaded:.2f} s"
    print(f"{'load, imports included':36} {told:>12}   bar <= 0.6 s")
    speed = max(tokens_a_second(server) for _ in range(a.rounds))
    print(f"{'one client, tokens a second':36} {speed:>12.0f}   bar >= 120")
    asked = picture(page(), "Read the text in the image.")
    replies = [server.ask(asked) for _ in range(a.rounds)]
    best = min(replies, key=lambda r: r.seconds)
    print(f"{'reading 640x160, seconds':36} {best.seconds:>12.2f}   bar <= 1.5")
    print(f"read: {best.text!r}")


if __name__ == "__main__":
    main()
