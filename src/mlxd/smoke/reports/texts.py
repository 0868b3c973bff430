"""Every sentence of the reports, in English and Chinese."""

from typing import Literal

from ..result import Round
from .chinese import in_chinese

Lang = Literal["en", "zh"]

_TEXTS: dict[str, tuple[str, str]] = {
    "title": ("Smoke report", "冒烟测试报告"),
    "summary": ("Summary", "测试概要"),
    "server": ("Server", "服务"),
    "model": ("Model", "模型"),
    "verdict": ("Verdict", "结论"),
    "total": ("Total", "总数"),
    "tests": ("tests", "项测试"),
    "rounds": ("Rounds", "轮次"),
    "passed": ("Passed", "通过"),
    "failed": ("Failed", "失败"),
    "errors": ("Error", "错误"),
    "skipped": ("Skipped", "跳过"),
    "rate": ("Pass rate", "通过率"),
    "what": ("What", "项目"),
    "number": ("Number", "数量"),
    "main_category": ("Main cause of failures", "主要失败原因"),
    "table": ("Tests", "测试结果"),
    "name": ("Name", "名称"),
    "ran": ("What ran", "测试内容"),
    "expected": ("Expected", "预期"),
    "status": ("Status", "状态"),
    "kind": ("Kind", "类型"),
    "contract": ("contract: every round must pass", "契约：每轮都必须通过"),
    "behaviour": ("behaviour: {mark} of the rounds must pass", "行为：须有 {mark} 的轮次通过"),
    "interval": ("True rate (Wilson, 95%)", "真实通过率（Wilson 95% 区间）"),
    "pass_hat": ("Chance of {k} passes in a row", "连续 {k} 轮通过的概率"),
    "details": ("Every round", "逐轮结果"),
    "round": ("Round", "轮次"),
    "got": ("Got", "实际"),
    "seconds": ("Seconds", "耗时（秒）"),
    "first_token": ("First token (s)", "首字（秒）"),
    "tokens": ("Tokens", "词元数"),
    "cause": ("Cause", "原因"),
    "reason": ("Reason", "说明"),
    "log": ("Error log", "错误日志"),
    "no_errors": ("Nothing failed.", "没有失败。"),
    "request": ("Request", "请求"),
    "response": ("Response", "响应"),
    "repeat": ("Repeat it", "重现命令"),
    "timing": (
        "HTTP {status}, {seconds} s, first byte after {first} s",
        "HTTP {status}，{seconds} 秒，首字节 {first} 秒",
    ),
    "execution": ("Execution", "执行信息"),
    "started": ("Started", "开始时间"),
    "duration": ("Duration", "持续时间"),
    "harness": ("Used by the harness itself", "测试程序自身占用"),
    "url": ("URL", "地址"),
    "command": ("Started with", "启动命令"),
    "running": ("it was running already", "服务已在运行"),
    "options": ("Options", "选项"),
    "environment": ("Environment", "环境"),
    "conclusion": ("Conclusion", "结论与建议"),
    "cut": (
        "This run was cut short: {why}. What had not run is SKIPPED.",
        "本次测试提前结束：{why}。未执行的测试标记为 SKIPPED。",
    ),
    "not_judged": ("This run could not be judged: {why}", "无法评判：{why}"),
    "all_pass": (
        "Everything that ran passed.",
        "所有已执行的测试均通过。",
    ),
    "some_skipped": (
        "What did not apply or did not run: {skipped}.",
        "未执行或不适用：{skipped} 项。",
    ),
    "failed_tests": ("Failed tests", "失败的测试"),
    "models_fault": (
        "What failed is the model's: the server did what it was asked to do.",
        "失败原因在模型：服务按要求完成了工作。",
    ),
    "some_fail": ("{failed} of {total} tests failed.", "{total} 项测试中有 {failed} 项失败。"),
    "some_error": (
        "What could not be judged: {errors}. This run proves nothing about it.",
        "有 {errors} 项测试无法评判。",
    ),
    "nothing": ("No test ran.", "没有执行任何测试。"),
    "next": ("What to look at next", "下一步检查"),
    "compare": ("Side by side", "对比"),
    "test": ("Test", "测试"),
    "latency": ("Latency", "延迟分布"),
    "strip": ("Each round", "各轮结果"),
    "starting": ("starting mlxd serve{named} …", "正在启动 mlxd serve{named} …"),
    "fault_of": ("Whose fault", "责任归属"),
    "who.gateway": ("gateway", "网关"),
    "who.engine": ("engine", "引擎"),
    "who.gateway or engine": ("gateway or engine", "网关或引擎"),
    "who.template": ("chat template", "对话模板"),
    "who.model": ("model", "模型"),
    "blaming": ("asking again whose fault it is …", "正在查明责任归属 …"),
    "others": (
        "also listed ({count}); choose with --model-id: {names}",
        "另列有 {count} 个模型，可用 --model-id 选择：{names}",
    ),
    "waiting": ("waiting, for the server says: {told}", "等待中，服务称：{told}"),
    "certificate": ("certificate: {path}", "证书：{path}"),
    "no_certificate": ("no certificate: {why}", "未颁发证书：{why}"),
    "shown_cut": ("… (cut in this report)", "……（报告中已截断）"),
    "cat.server_down": ("server down", "服务不可用"),
    "cat.timeout": ("timeout", "超时"),
    "cat.wire_format": ("wire format", "响应格式错误"),
    "cat.empty_answer": ("empty answer", "空回答"),
    "cat.reasoning_budget": ("budget spent in reasoning", "推理耗尽额度"),
    "cat.wrong_answer": ("wrong answer", "回答错误"),
    "cat.wrong_tool_call": ("wrong tool call", "工具调用错误"),
    "cat.markup_leaked": ("markup leaked into text", "标记泄漏到文本"),
    "next.server_down": (
        "Is the server still running? Look at the end of its log for the moment of the first "
        "failed round; start it again and repeat that round with its curl line.",
        "确认服务是否仍在运行；查看首个失败轮次时刻的服务日志末尾，重启后用 curl 命令重现。",
    ),
    "next.not_reached": (
        "Nobody can be reached at {url}. Is the server running, and is this its address?",
        "无法连接 {url}。请确认服务已启动且地址正确。",
    ),
    "next.no_api": (
        "Nothing answers at {url} (HTTP {status}). Is this the address of a server with the "
        "OpenAI API? It is given as it stands before /v1.",
        "{url} 没有回答（HTTP {status}）。请确认该地址提供 OpenAI API；地址写到 /v1 之前即可。",
    ),
    "next.no_model": (
        "The server has no model {model!r}. It lists: {names}. Choose one with --model-id.",
        "该服务没有模型 {model!r}。列出的有：{names}。请用 --model-id 选择。",
    ),
    "next.blame": (
        "is it the gateway, the engine, the template or the model? The same command with --blame, "
        "on the machine of this mlxd, finds out.",
        "是网关、引擎、模板还是模型的问题？在该 mlxd 所在机器上加 --blame 重新执行即可查明。",
    ),
    "next.timeout": (
        "Does the server still compute? Compare its load with the time of the round, and try "
        "--timeout with a larger value once, to tell slow from stuck.",
        "确认服务是否仍在计算；用更大的 --timeout 再试一次，以区分缓慢与卡死。",
    ),
    "next.wire_format": (
        "The server, not the model: repeat the round with its curl line and compare the raw "
        "response with the API's reference.",
        "问题在服务而非模型：用 curl 命令重现，并将原始响应与 API 规范对照。",
    ),
    "next.empty_answer": (
        "Look at the stated reason first. An answer of no tokens often hides an error in the "
        "engine: look into its log. Fewer tokens or another try would only hide it.",
        "先看给出的原因。零词元的回答往往掩盖引擎中的错误，请查看其日志；减少词元数或重试只会掩盖问题。",
    ),
    "next.reasoning_budget": (
        "Give the model more room (--max-tokens), or turn its reasoning off.",
        "增大 --max-tokens，或关闭推理。",
    ),
    "next.wrong_answer": (
        "The model, its weights, its chat template or the sampling: compare the prompt that the "
        "template makes with the one that the model was trained on; try temperature 0; try the "
        "same model on another server and put both side by side.",
        "检查模型、权重、对话模板或采样参数：将温度设为 0，或在另一服务上运行同一模型并对比。",
    ),
    "next.wrong_tool_call": (
        "Does the chat template show the tools to the model, and does the server's parser know "
        "this model's format of calls? The raw response shows which of the two.",
        "确认对话模板是否向模型展示工具，以及服务的解析器是否支持该模型的调用格式；原始响应可区分两者。",
    ),
    "next.markup_leaked": (
        "The server's parser does not know this model's format (calls, reasoning, special "
        "tokens), or the model wrote it wrongly. The text shows which.",
        "服务的解析器不识别该模型的格式（调用、推理、特殊标记），或模型输出格式有误。",
    ),
}


class Texts:
    def __init__(self, lang: Lang) -> None:
        self.lang = lang
        self._column = 0 if lang == "en" else 1

    def __call__(self, key: str, **values: object) -> str:
        text = _TEXTS[key][self._column]
        return text.format(**values) if values else text

    def told(self, text: str) -> str:
        """What a check said."""
        return text if self.lang == "en" else in_chinese(text)

    def got(self, one: Round) -> str:
        """Of a round that passed, the harness may have said it; else it is the server's."""
        return self.told(one.got) if one.verdict == "PASS" else one.got

    def category(self, name: str | None) -> str:
        return self(f"cat.{name}") if name else ""
