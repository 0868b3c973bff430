"""What a run means, and what to look at next."""

from collections.abc import Iterator

from ..result import Accused, Exchange, Run
from .texts import Texts

# What is said where nothing is at that path, or no such model.
NOT_THERE = (404, 405, 501)
CHAT = "/chat/completions"


def conclusion(run: Run, say: Texts) -> Iterator[str]:
    if run.error:
        yield say("not_judged", why=quoted(say.told(run.error)))
    elif run.cut_short:
        yield say("cut", why=say.told(run.cut_short).rstrip("."))
    failed, errors, skipped = (run.count(one) for one in ("FAIL", "ERROR", "SKIPPED"))
    if failed:
        yield say("some_fail", failed=failed, total=len(run.checks))
    if errors:
        yield say("some_error", errors=errors)
    if run.verdict == "PASS":
        yield say("all_pass") + (" " + say("some_skipped", skipped=skipped) if skipped else "")
    if run.verdict == "SKIPPED":
        yield say("nothing")
    blamed = [(check.id, check.accused) for check in run.checks if check.accused]
    if blamed:
        lines = [f"- {name}: {blame(accused, say)}" for name, accused in blamed]
        yield f"{say('fault_of')}:\n\n" + "\n".join(lines)
    if failed and len(blamed) == failed and {accused.who for _, accused in blamed} == {"model"}:
        yield say("models_fault")
        if not errors:
            return
    if lines := list(_next(run, say)):
        yield f"{say('next')}:\n\n" + "\n".join(f"- {line}" for line in lines)


def blame(accused: Accused, say: Texts) -> str:
    return f"{say(f'who.{accused.who}')}: {say.told(accused.why)}"


def quoted(text: str) -> str:
    return text.replace("\n", "\n> ")


def _next(run: Run, say: Texts) -> Iterator[str]:
    causes = dict.fromkeys(check.category for check in run.checks if check.category)
    if not causes:
        return
    if _never_reached(run):
        yield say("next.not_reached", url=run.target.url)
        return
    if missed := _never_there(run):
        # The list says whether the model is the reason, or the address.
        if run.target.others and not run.target.listed:
            names = ", ".join(run.target.others[:8])
            yield say("next.no_model", model=run.target.model, names=names)
        else:
            yield say("next.no_api", url=missed.url, status=missed.status)
        return
    for name in causes:
        yield f"**{say.category(name)}**: {say(f'next.{name}')}"
    if run.count("FAIL") and run.target.engine and not any(one.accused for one in run.checks):
        yield f"**--blame**: {say('next.blame')}"


def _never_reached(run: Run) -> bool:
    rounds = [one for check in run.checks for one in check.judged]
    return {(one.verdict, one.category) for one in rounds} == {("ERROR", "server_down")}


def _never_there(run: Run) -> Exchange | None:
    """The first request for an answer, where each of them was told that there is nothing."""
    rounds = [one for check in run.checks for one in check.rounds]
    asked = [made for one in rounds for made in one.exchanges if made.url.endswith(CHAT)]
    if any(one.tokens for one in rounds) or any(one.status not in NOT_THERE for one in asked):
        return None
    return next(iter(asked), None)
