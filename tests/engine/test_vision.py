"""Pictures: what is read, what is refused, and that one never passes for another."""

import io
import random
from pathlib import Path

import pytest
from PIL import Image
from tests.engine.harness import Engine, engine, say

from mlxd.wire import Chat, ImagePart, Message, TextPart


def picture(
    seed: int, size: tuple[int, int] = (64, 48), form: str = "PNG", **more: object
) -> bytes:
    draw = random.Random(seed)
    image = Image.new("RGB", size)
    image.putdata([(draw.randrange(256),) * 3 for _ in range(size[0] * size[1])])
    out = io.BytesIO()
    image.save(out, form, **more)
    return out.getvalue()


def test_a_vision_model_says_so(vision_engine: Engine) -> None:
    assert vision_engine.hello is not None
    assert "vision" in vision_engine.hello.capabilities


def test_the_prompt_counts_the_picture(vision_engine: Engine) -> None:
    with_picture = vision_engine.ask(say("what is this?", picture(1))).usage
    without = vision_engine.ask(say("what is this?")).usage
    assert with_picture is not None
    assert without is not None
    # 64×48 pixels at 16 a token, and two marks around them
    assert with_picture.prompt == without.prompt + 4 * 3 + 2


def test_text_and_pictures_share_a_batch(vision_engine: Engine) -> None:
    asked = [
        say("one", picture(2)),
        say("two"),
        say("three", picture(3), picture(4, (32, 96))),
        say("four, a little longer than the others"),
    ]
    alone = [vision_engine.ask(chat, max_tokens=20).tokens for chat in asked]
    ids = [vision_engine.submit(chat, max_tokens=20) for chat in asked]
    assert [a.tokens for a in vision_engine.wait(*ids)] == alone


def test_another_picture_of_the_same_size_is_another_prompt(vision_engine: Engine) -> None:
    first = vision_engine.ask(say("look", picture(5)), max_tokens=20)
    again = vision_engine.ask(say("look", picture(5)), max_tokens=20)
    other = vision_engine.ask(say("look", picture(6)), max_tokens=20)
    assert again.tokens == first.tokens
    assert again.usage is not None
    assert other.usage is not None
    assert again.usage.cached == again.usage.prompt - 1
    assert other.usage.cached < 20  # what stands before the picture


def test_a_second_turn_after_a_picture_goes_on_at_the_right_place(
    vision_engine: Engine, vision_model: Path
) -> None:
    def turns(*more: Message) -> Chat:
        first = Message("user", [ImagePart(picture(7), "x"), TextPart("what is it?")])
        return Chat([first, *more])

    vision_engine.ask(turns(), max_tokens=10)
    talk = (Message("assistant", [TextPart("noise")]), Message("user", [TextPart("sure?")]))
    warm = vision_engine.ask(turns(*talk), max_tokens=20)
    assert warm.usage is not None
    assert warm.usage.cached > 20
    with engine(vision_model, prefix_bytes=0) as cold:
        assert cold.ask(turns(*talk), max_tokens=20).tokens == warm.tokens


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_common_formats_are_read(vision_engine: Engine, form: str) -> None:
    assert vision_engine.ask(say("?", picture(8, form=form))).finish == "length"


def test_a_turned_photograph_is_seen_upright(vision_engine: Engine) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter
    lying = vision_engine.ask(say("?", picture(9, (96, 32), "JPEG", exif=exif)))
    flat = Image.open(io.BytesIO(picture(9, (96, 32), "JPEG")))
    upright = flat.transpose(Image.Transpose.ROTATE_270)
    out = io.BytesIO()
    upright.save(out, "PNG")
    assert vision_engine.ask(say("?", out.getvalue())).tokens == lying.tokens


def test_transparency_is_seen_on_white(vision_engine: Engine) -> None:
    def encoded(image: Image.Image) -> bytes:
        out = io.BytesIO()
        image.save(out, "PNG")
        return out.getvalue()

    clear = vision_engine.ask(say("?", encoded(Image.new("RGBA", (64, 64), (9, 9, 9, 0)))))
    white = vision_engine.ask(say("?", encoded(Image.new("RGB", (64, 64), (255, 255, 255)))))
    assert clear.tokens == white.tokens


def broken() -> dict[str, bytes]:
    whole = picture(10, (200, 200), "JPEG")
    return {
        "empty": b"",
        "no image": b"this is no image at all",
        "cut off": picture(11)[:200],
        "only a header": whole[:30],
        "svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        "a bomb": _bomb(),
        "flat": picture(12, (2000, 1)),
    }


def _bomb() -> bytes:
    out = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize("kind", list(broken()))
def test_a_broken_picture_is_refused_by_name_and_the_engine_goes_on(
    vision_engine: Engine, kind: str
) -> None:
    failed = vision_engine.ask(say("?", picture(13), broken()[kind])).failed
    assert failed is not None, kind
    assert failed.blame == "client", failed
    assert failed.param in ("messages[0].content[1]", "messages"), failed
    assert vision_engine.ask(say("still there?")).finish == "length"


def large() -> bytes:
    out = io.BytesIO()
    Image.effect_noise((3000, 3000), 60).convert("RGB").save(out, "JPEG")
    return out.getvalue()


def test_text_does_not_wait_for_pictures_to_be_decoded(vision_engine: Engine) -> None:
    data = large()
    pictures = [vision_engine.submit(say(f"{i}?", data), max_tokens=1) for i in range(3)]
    text = vision_engine.submit(say("quick?"), max_tokens=1)
    vision_engine.wait(text)
    assert not all(vision_engine.answers[p].over for p in pictures)
    assert all(a.finish for a in vision_engine.wait(*pictures))


def test_a_request_that_is_cancelled_while_it_is_prepared_leaves_nothing(
    vision_engine: Engine,
) -> None:
    data = large()  # made before: on a slow machine the first would be answered meanwhile
    # In one piece: nothing lies between a request and its end but what the engine does.
    gone = vision_engine.submit_and_cancel(*[say("?", data)] * 4, max_tokens=500)
    assert vision_engine.ask(say("still there?")).finish == "length"
    idle = vision_engine.until_idle()
    assert (idle.running, idle.waiting, idle.kv_bytes) == (0, 0, 0)
    assert not any(vision_engine.answers[request].tokens for request in gone)


def test_a_text_model_refuses_pictures(text_engine: Engine) -> None:
    failed = text_engine.ask(say("?", picture(14))).failed
    assert failed is not None
    assert (failed.blame, failed.param) == ("client", "messages[0].content[0]")


def test_it_says_how_many_pixels_it_looks_at_before_it_does(vision_engine: Engine) -> None:
    assert vision_engine.ask(say("what is this?", picture(97, (320, 240)))).finish
    assert vision_engine.looked_at[-1] >= 320 * 240 // 2
    assert vision_engine.until_idle().pixels == 0
