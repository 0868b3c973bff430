"""The scenes as checks of a run, so that every report is made of them as of any other."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec

import mlxd

from ..check import Check, Options, Probe, Suite
from ..result import Report, Run, Target
from ..runner import Observer, Plan, Runner, Silent
from ..started import NotStarted
from .scenes import Scenes
from .stage import Stage

ONE = ("every request has exactly one end", "每个请求恰好有一个结局")
# fmt: off
# In this order: what a start has to bear, then what leaves the server running, then what does not.
SCENES: dict[str, tuple[tuple[str, str], tuple[str, str]]] = {
    "start-storm": (
        ("Many clients at its start", "启动时大量客户端"),
        ("all are answered", "全部得到回答"),
    ),
    "leave-loading": (
        ("Clients leave while it loads", "加载期间客户端离开"),
        ("the next request is answered", "下一个请求得到回答"),
    ),
    "leave-stream": (
        ("Streams are left", "中断流式请求"),
        ("a short answer as quickly as before", "短回答与之前一样快"),
    ),
    "slow-reader": (
        ("A client reads slowly", "客户端读取缓慢"),
        ("it gets all, and others do not wait", "完整送达且不影响他人"),
    ),
    "half-closed": (
        ("A client closes its half of the connection", "客户端半关闭连接"),
        ("an answer or an end, and nothing is held", "得到回答或结束，资源释放"),
    ),
    "swap-stream": (("Another model is asked for during a stream", "流式期间请求另一模型"), ONE),
    "swap-storm": (("Requests for several models, many at once", "多模型并发切换"), ONE),
    "crash-stream": (
        ("The process with the model is killed during a stream", "流式期间杀死模型进程"),
        ("every request has exactly one end, no text is lost, and the server comes back",
         "每个请求恰好有一个结局，文本不丢失，服务自动恢复"),
    ),
    "stall-stream": (
        ("The process with the model stands still during a stream", "流式期间模型进程停滞"),
        ("every request has exactly one end, no text is lost, and the server comes back",
         "每个请求恰好有一个结局，文本不丢失，服务自动恢复"),
    ),
    "term-stream": (
        ("It is told to end during a stream (SIGTERM)", "流式期间收到 SIGTERM"),
        ("every request has exactly one end, and no process is left",
         "每个请求恰好有一个结局，无残留进程"),
    ),
    "kill-restart": (
        ("It is killed during a stream, and started again", "流式期间整体被杀并重启"),
        ("no process is left, and it serves again", "无残留进程，重新服务"),
    ),
}
# fmt: on


class Settled(msgspec.Struct, kw_only=True, frozen=True):
    """One server to judge. `swap`: names of further models that it can serve."""

    command: str
    name: str = ""
    model_id: str = ""
    swap: Sequence[str] = ()


class LifecyclePlan(Plan, kw_only=True, frozen=True):
    stage: Any
    swap: Sequence[str] = ()

    def checks(self) -> list[Check]:
        suite = Suite("lifecycle", ("Lifecycle", "生命周期"))
        scenes = Scenes(self.stage, self.swap)
        for name, (title, expected) in SCENES.items():
            if not self.only or f"lifecycle.{name}" in self.only:
                suite.contract(name, title, expected)(_between(scenes, name))
        return suite.checks


def _between(scenes: Scenes, name: str) -> Callable[[Probe], Awaitable[str]]:
    """The scene, with a server that answers before it and after it."""
    play: Callable[[Probe], Awaitable[str]] = getattr(scenes, name.replace("-", "_"))

    async def run(probe: Probe) -> str:
        await scenes.ready(probe)
        probe.exchanges.clear()
        try:
            return await play(probe)
        finally:
            if not scenes.stage.runs:
                await scenes.stage.close()
            kept = list(probe.exchanges)
            await scenes.ready(probe)
            probe.exchanges[:] = kept

    return run


async def lifecycle(
    subjects: Sequence[Settled],
    *,
    options: Options,
    only: Sequence[str] = (),
    observer: Observer | None = None,
    on_runner: Callable[[Runner], None] = lambda runner: None,
) -> Report:
    """One after the other; each is started, hurt and ended here. `on_runner` gets who can stop
    it."""
    runs: list[Run] = []
    for subject in subjects:
        stage = Stage(subject.command)
        target = Target(
            name=subject.name or subject.command.split()[0],
            url=stage.url,
            model=subject.model_id,
            command=stage.command,
            started_by_us=True,
        )
        plan = LifecyclePlan(
            suites=("lifecycle",), only=only, options=options, stage=stage, swap=subject.swap
        )
        runner = Runner(target, plan, observer or Silent())
        try:
            await stage.start()
            await stage.open()
            on_runner(runner)
            runs.append(await runner.run())
        except NotStarted as problem:
            runs.append(runner.not_run(str(problem)))
        finally:
            await stage.close()
            stage.forget()
    return Report(runs=runs, mlxd_version=mlxd.__version__)
