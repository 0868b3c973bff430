"""What checks say of a server, in Chinese. A result keeps it in English; here each sentence stands
with its holes, and is found again by its shape."""

import re
from functools import cache

# Holes are filled in their order, and what stands in one is a sentence itself or stays as it is.
SENTENCES: dict[str, str] = {
    # the answer
    "the request": "请求",
    "the streaming request": "流式请求",
    "{} was answered HTTP {}: {}": "{}得到 HTTP {}：{}",
    "created is {}, not a time in seconds": "created 为 {}，不是以秒计的时间",
    "usage: {} {} tokens of {} {} tokens": "usage：{} 个 {} 词元超出 {} 个 {} 词元",
    "usage: an answer of no tokens, though there is text": "usage：有文本，却计为零词元",
    "usage: a prompt of no tokens": "usage：提示计为零词元",
    "usage: {} prompt + {} completion tokens are not {} in total": (
        "usage：提示 {} + 回答 {} 个词元，总数却为 {}"
    ),
    "usage has no whole counts: {}": "usage 中没有整数计数：{}",
    "usage is missing": "缺少 usage",
    "{} stands in the text": "文本中出现 {}",
    "content is {}, finish_reason {}: {}": "content 为 {}，finish_reason 为 {}：{}",
    "empty": "空",
    "no content type": "无内容类型",
    "HTTP {} without the API's error object ({})": "HTTP {}，但没有 API 规定的错误对象（{}）",
    "the content type is {}, not application/json": "内容类型为 {}，而非 application/json",
    "none": "无",
    "the body is no JSON object": "响应体不是 JSON 对象",
    "the body is not JSON: {}": "响应体不是 JSON：{}",
    "the body begins with a byte order mark": "响应体以字节顺序标记开头",
    "HTTP 200 with an error in it: {}": "HTTP 200，内容却是错误：{}",
    "content is {}, not a string": "content 是 {}，不是字符串",
    "a tool call without a name: {}": "工具调用没有名称：{}",
    "a tool call without a function: {}": "工具调用没有 function：{}",
    "arguments of {} are {}, not a string": "{} 的参数是 {}，不是字符串",
    "tool_calls is {}, not a list": "tool_calls 是 {}，不是列表",
    "object is {}, not 'chat.completion'": "object 为 {}，不是 'chat.completion'",
    "object is {}, not 'text_completion'": "object 为 {}，不是 'text_completion'",
    "id is missing": "缺少 id",
    "model is missing": "缺少 model",
    "choices[0].index is {}": "choices[0].index 为 {}",
    "the message's role is {}, not 'assistant'": "消息的 role 为 {}，不是 'assistant'",
    "finish_reason is {}": "finish_reason 为 {}",
    "finish_reason {}": "finish_reason 为 {}",
    "the arguments of {} are encoded twice: a JSON string within a string": (
        "{} 的参数被编码两次：JSON 字符串又包在字符串里"
    ),
    "the arguments of {} are no JSON object": "{} 的参数不是 JSON 对象",
    "the arguments of {} are not JSON ({})": "{} 的参数不是 JSON（{}）",
    "all tokens went into reasoning; ask for more (--max-tokens)": (
        "全部词元用于推理；请增大 --max-tokens"
    ),
    "all {} tokens went into reasoning; ask for more (--max-tokens)": (
        "全部 {} 个词元用于推理；请增大 --max-tokens"
    ),
    "a tool call instead of text": "返回了工具调用而不是文本",
    "nothing but spaces and line ends": "只有空格和换行",
    "filtered": "内容被过滤",
    "the answer has no choices[0].message": "回答中没有 choices[0].message",
    "no token was generated, which the server reports as a success": (
        "未生成任何词元，服务却报告成功"
    ),
    "the first token ended the answer": "首个词元即结束回答",
    "{} tokens, up to the limit, and no text": "{} 个词元，达到上限，却没有文本",
    "usage counts {} tokens, but no text arrived": "usage 计 {} 个词元，但没有收到文本",
    "the server gives no reason": "服务未说明原因",
    # what any check may say
    "HTTP 429 without Retry-After, so no client knows when to ask again": (
        "HTTP 429 没有 Retry-After，客户端无从得知何时重试"
    ),
    "text instead of a tool call": "返回了文本而不是工具调用",
    "the answer is by model {}, though {} was asked": "回答来自模型 {}，而请求的是 {}",
    "the server does not take {}: HTTP {}: {}": "服务不支持{}：HTTP {}：{}",
    "expected exactly {}": "应恰好为 {}",
    "{} does not stand in the answer": "回答中没有 {}",
    "pictures": "图片",
    "a seed": "随机种子",
    "temperature 2": "温度 2",
    "a prompt of this length": "这一长度的提示",
    "this model for embeddings": "用该模型做向量嵌入",
    "response_format json_schema": "response_format json_schema",
    "response_format json_object": "response_format json_object",
    "tool_choice with a name": "指定名称的 tool_choice",
    # the checks
    "a short answer took {} s after another client had left, {} s before": (
        "另一客户端离开后，短回答耗时 {} 秒，此前为 {} 秒"
    ),
    "{} s, {} s before": "{} 秒，此前 {} 秒",
    "{} left, {} answered": "{} 个离开，{} 个得到回答",
    "the client that asked for {} got the answer to {}": "请求 {} 的客户端得到了 {} 的回答",
    "while others left: {}": "其他客户端离开期间：{}",
    "choices is no list": "choices 不是列表",
    "{} choices for n={}": "返回 {} 个候选，而 n={}",
    "the choices are numbered {}, not from 0 on": "候选编号为 {}，没有从 0 开始",
    "one of the choices is empty": "有一个候选为空",
    "the same request at temperature 0 has another text when it is streamed": (
        "温度为 0 的同一请求，流式与非流式文本不同"
    ),
    "the server has no completions: HTTP {} at {}": "服务没有文本补全：{1} 返回 HTTP {0}",
    "the answer has no choices[0].text": "回答中没有 choices[0].text",
    "the stream has no [DONE] at its end": "流末尾没有 [DONE]",
    "finish_reason differs between the stream and the whole answer": (
        "流式与非流式的 finish_reason 不同"
    ),
    "{} answers, all apart": "{} 个回答，互不混淆",
    "{} right answers": "{} 个正确回答",
    "{} of {} answers are wrong, such as the one to {}": "{1} 个回答中有 {0} 个错误，例如 {2}",
    "the server says that this model does not see": "服务声明该模型不支持图像",
    "of {} clients at once, the one with the {} shape was told this": (
        "{} 个客户端并发时，持 {} 色图形者得到此回答"
    ),
    "the client that asked for {} got another's answer": "请求 {} 的客户端得到了他人的回答",
    "the server refuses a prompt of this length": "服务拒绝这一长度的提示",
    "the same text has another vector in a batch; is their order right?": (
        "同一文本在批量中向量不同；顺序是否正确？"
    ),
    "a short text has {} numbers, a long one {}": "短文本有 {} 维，长文本有 {} 维",
    "{} numbers": "{} 维",
    "the vectors have different lengths, or none": "向量长度不一或为空",
    "two different texts have the same vector": "两个不同文本的向量相同",
    "the server has no embeddings: HTTP {} at /v1/embeddings": (
        "服务没有向量嵌入：/v1/embeddings 返回 HTTP {}"
    ),
    "a vector is zero or not finite": "向量为零或含非有限值",
    "a vector's length is {}, not 1": "向量的模为 {}，不是 1",
    "the answer is no list of embeddings": "回答不是嵌入列表",
    "{} is the client's mistake, yet answered with HTTP {}": "{}是客户端的错误，却返回 HTTP {}",
    "{}: HTTP {} without the API's error object": "{}：HTTP {}，但没有 API 规定的错误对象",
    "{} is answered with HTTP {}": "{}得到 HTTP {}",
    "broken JSON": "残缺的 JSON",
    "a model that is not there": "不存在的模型",
    "a request without messages": "缺少 messages 的请求",
    "this server answers under any model name; a typo would go unnoticed": (
        "该服务对任何模型名都作答，拼写错误不会被发现"
    ),
    "{} listed": "列出 {} 个",
    "finish_reason {}, usage {}": "finish_reason {}，usage {}",
    "{} and {} tokens": "{} 与 {} 个词元",
    "/v1/models is no list object with data": "/v1/models 不是带 data 的列表对象",
    "/v1/models names no model": "/v1/models 未列出任何模型",
    "{} is served but not listed": "{} 可用但未列出",
    "two answers have the same id, {}": "两个回答的 id 相同：{}",
    "usage has no count of the prompt's tokens": "usage 没有提示词元数",
    "usage: {} tokens for a short prompt, {} for a long one": (
        "usage：短提示 {} 个词元，长提示 {} 个"
    ),
    "an entry of /v1/models without an id: {}": "/v1/models 中有条目缺少 id：{}",
    "the server closes the connection after an answer without saying so": (
        "服务在回答后关闭连接却未声明"
    ),
    "a chunk names no model": "有数据块没有模型名称",
    "the stream is held back: its first word came after {} of its time": (
        "流式输出被扣留：首个词元在 {} 的时间之后才到"
    ),
    "the object within is not as the schema says": "内层对象不符合模式",
    "it breaks off after {} tokens, yet finish_reason is {}": (
        "回答在 {} 个词元后中断，finish_reason 却为 {}"
    ),
    "the answer needs more than {} tokens": "回答需要超过 {} 个词元",
    "another string than the only one allowed": "不是唯一允许的字符串",
    "the text beside the call is the word {}": "调用旁的文本是单词 {}",
    "{} vectors for 4 texts": "4 个文本得到 {} 个向量",
    "{} of {} answers ended a connection without saying so": "{}/{} 个回答后未声明就断开连接",
    "{} requests of this run met a connection that was dropped": "本次运行有 {} 个请求遇到连接断开",
    "{} requests": "{} 个请求",
    "{} deltas": "{} 个增量",
    "{} tokens": "{} 个词元",
    "{} tokens, {}": "{} 个词元，{}",
    "{} calls": "{} 次调用",
    "the server gives no logprobs, though it was asked for them": "已请求 logprobs，服务却未返回",
    "the tokens do not add up to the answer": "词元拼接不等于回答",
    "a logprob is above 0": "对数概率大于 0",
    "top_logprobs are too many, or not the best first": "top_logprobs 过多，或未从高到低排列",
    "an entry of logprobs lacks token or logprob": "logprobs 条目缺少 token 或 logprob",
    "the streamed text is not that of the whole answer": "流式文本与非流式不同",
    "characters are broken in the stream": "流中的字符被截断",
    "{} calls although parallel_tool_calls is false": (
        "parallel_tool_calls 为 false，却有 {} 次调用"
    ),
    "expected two calls: {}": "应有两次调用：{}",
    "another tool was called": "调用了另一个工具",
    "two calls share an id": "两次调用的 id 相同",
    "{} characters of reasoning": "{} 个字符的推理",
    "finished: {}": "已完成：{}",
    "the model does not reason, or the server does not show it": "模型不做推理，或服务不显示推理",
    "the reasoning is repeated in the content": "推理在 content 中重复出现",
    "{} answers at temperature 2 are all the same": "温度为 2 的 {} 次回答全部相同",
    "{} different texts": "{} 种不同文本",
    "seed {} gave different answers": "种子 {} 得到不同回答",
    "temperature 0 gave different answers": "温度为 0 时得到不同回答",
    "{} s at the beginning, {} s at the end": "开始时 {} 秒，结束时 {} 秒",
    "{} s; nothing to compare with, since health.answer did not run": (
        "{} 秒；health.answer 未执行，无从比较"
    ),
    "a short answer took {} s at the beginning and {} s at the end": (
        "短回答开始时耗时 {} 秒，结束时 {} 秒"
    ),
    "stopped before {}": "在 {} 之前停止",
    "with stop={} the answer is not the beginning of the same answer": (
        "设 stop={} 后，回答不是同一回答的开头"
    ),
    "cut off after {} tokens, although {} were allowed": "在 {} 个词元处截断，而允许 {} 个",
    "the whole answer has {} tokens": "完整回答有 {} 个词元",
    "the model's answer is too short to be cut: {}": "模型的回答太短，无法截断：{}",
    "the answer goes on past stop={}": "回答越过 stop={} 继续输出",
    "it stopped, but finish_reason is {}": "已停止，但 finish_reason 为 {}",
    "{} tokens, although {} were allowed": "{} 个词元，而只允许 {} 个",
    "the answer is as long as without the limit": "回答与不设上限时一样长",
    "cut off by max_tokens, but finish_reason {}": "被 max_tokens 截断，但 finish_reason 为 {}",
    "finish_reason is {} whole, {} streamed": "finish_reason 非流式为 {}，流式为 {}",
    "usage.{} is {} whole, {} streamed": "usage.{} 非流式为 {}，流式为 {}",
    "the keys are {}, not {}": "键为 {}，应为 {}",
    "JSON, but no object": "是 JSON，但不是对象",
    "other values than the prompt told": "值与提示要求不同",
    "another object than was asked for": "对象与要求不同",
    "characters were changed on their way": "字符在途中被改变",
    "not JSON: {}": "不是 JSON：{}",
    "not JSON (cut off at max_tokens): {}": "不是 JSON（被 max_tokens 截断）：{}",
    "{} is not as the schema says": "{} 不符合模式",
    "a tool was called although tool_choice is none": "tool_choice 为 none，却调用了工具",
    "{} was called, not {}": "调用了 {}，而非 {}",
    "{} needs {}": "{} 需要 {}",
    "the tool's answer is there, and it calls a tool again": "已有工具结果，却再次调用工具",
    "more than one call": "不止一次调用",
    "expected arguments {}": "参数应为 {}",
    "the tool call has no id, so its result can't be returned": "工具调用没有 id，结果无法返回",
    "a tool call ends with finish_reason {}": "工具调用的 finish_reason 为 {}",
    "the shape is {}": "图形的颜色是 {}",
    "asked {} times in {} s, the server still says HTTP {}": (
        "{1} 秒内请求 {0} 次，服务仍返回 HTTP {2}"
    ),
    "an entry's object is {}, not 'model'": "条目的 object 为 {}，不是 'model'",
    "{} is listed twice": "{} 列出两次",
    "the server shows no single model: HTTP {}": "服务不显示单个模型：HTTP {}",
    "{} was asked for, {} is shown": "请求 {}，返回的却是 {}",
    "a chunk's choices are {}, not a list": "数据块的 choices 为 {}，不是列表",
    "a chunk without choices, though nobody asked for usage": (
        "未请求用量，却有不带 choices 的数据块"
    ),
    "a tool call's type is {}, not 'function'": "工具调用的 type 为 {}，不是 'function'",
    "{} s for one token, {} s for all of it": "单个词元 {} 秒，全部 {} 秒",
    "{} s for all of it, too quick to tell": "全部用时 {} 秒，太快而无法判断",
    "the first word after {} of the time": "首个词元出现在 {} 的时间处",
    "a tool's result in parts": "由多个部分组成的工具结果",
    "not both results stand in the answer, in order": "回答中没有按顺序给出两个结果",
    "there are no two calls to compare": "没有两次调用可供比较",
    "two calls of one conversation have the same id, so results can't be told apart": (
        "同一对话的两次调用 id 相同，结果无法区分"
    ),
    "stop={} does not stand in it, and yet the answer differs": (
        "回答中没有 stop={}，却与不设时不同"
    ),
    "usage: {} tokens, though {} deltas came": "usage：计 {} 个词元，却只有 {} 个增量",
    "the model thinks longer than this check waits, and the server does not show it": (
        "模型的推理超出本项测试的上限，而服务不显示推理"
    ),
    "top_p={} gave different answers": "top_p={} 得到不同回答",
    "top_p": "top_p",
    "logprobs in streams": "流式 logprobs",
    "a token has another logprob among the best than by itself": (
        "词元自身的对数概率与候选列表中的不同"
    ),
    "the probabilities of one place add up to more than 1": "同一位置的概率之和大于 1",
    "the reasoning stands in the text of the stream": "推理出现在流的文本中",
    "the stream has no reasoning, though the whole answer has": "非流式有推理，流式却没有",
    "it has what another client had asked for": "回答中有另一客户端请求的内容",
    "a key comes twice: {}": "键重复：{}",
    "of another type than the tool says: {}": "类型与工具定义不符：{}",
    "a path that is not there is answered with HTTP {}": "不存在的路径得到 HTTP {}",
    "messages: 7 in a request for a stream": "流式请求中的 messages: 7",
    "the vectors are numbered {}": "向量编号为 {}",
    "object is {}, not 'list'": "object 为 {}，不是 'list'",
    "a vector is another one in base64": "base64 形式的向量与数组形式不同",
    "two texts that differ at their ends have the same vector": "结尾不同的两个文本向量相同",
    "{} characters": "{} 个字符",
    "the model says CR, where it stops if told so, and the answer has none": (
        "模型输出了 CR（以其为停止序列时会停下），回答中却没有"
    ),
    "the model says no CR, so whether the server keeps it can't be seen": (
        "模型未输出 CR，无从判断服务是否保留"
    ),
    # the run
    "the time limit of {} s for the whole run was reached": "达到整次测试 {} 秒的时限",
    "as each check wants": "按各项测试的默认值",
    "the server gave no answer in {} checks in a row": "服务连续 {} 项测试没有回答",
    "the answer can't be read: {}": "无法解读回答：{}",
    "not reached": "未执行到",
    "not reached: {}": "未执行到：{}",
    "no answer, twice in a row": "连续两次没有回答",
    "the server is gone: {}": "服务已不在：{}",
    "the server can't be reached: {}": "无法连接服务：{}",
    "usage: a text of {} tokens counts {} where it stands in a prompt": (
        "用量：{} 个词元的文本在提示中计为 {} 个"
    ),
    "cut off in this round: {}": "本轮被中断：{}",
    "the check itself broke: {}": "测试本身出错：{}",
    "cancelled": "已取消",
    "{} ({} of {} rounds)": "{}（{} / {} 轮）",
    "inconclusive: {} of {} rounds, so the true rate lies between {} and {}": (
        "无法判定：{1} 轮中通过 {0} 轮，真实通过率在 {2} 与 {3} 之间"
    ),
    "interrupted by {}": "被 {} 中断",
    # the connection
    "no answer within {} s: {}": "{} 秒内没有回答：{}",
    "nothing came back at all": "没有任何返回",
    "no connection to {} within {} s": "{1} 秒内无法连接 {0}",
    "no connection to {}: {}": "无法连接 {}：{}",
    "All connection attempts failed": "所有连接尝试均失败",
    "Server disconnected without sending a response.": "服务未发送响应即断开连接",
    "the connection broke before the end of the answer: {}": "回答结束前连接中断：{}",
    "the answer can't be read as HTTP: {}": "无法按 HTTP 解读回答：{}",
    "after the headers (HTTP {}) nothing came": "收到响应头（HTTP {}）后再无内容",
    "{} bytes came, but no end": "收到 {} 字节，但没有结束",
    "the answer is longer than {} bytes and goes on": "回答超过 {} 字节仍未结束",
    "mlxd serve did not start: {}. Its last words:\n{}": (
        "mlxd serve 未能启动：{}。最后的输出：\n{}"
    ),
    "it ended with exit code {}": "进程以退出码 {} 结束",
    "not ready within {} s": "{} 秒内未就绪",
    "{} has a TLS certificate that nobody vouches for; give its authority in SSL_CERT_FILE, or "
    "trust it unseen with --insecure": (
        "{} 的 TLS 证书不受信任；用 SSL_CERT_FILE 指定其颁发者，或用 --insecure 跳过验证"
    ),
    "the server asks for a key (HTTP {}): give it with --api-key or in OPENAI_API_KEY": (
        "服务要求密钥（HTTP {}）：用 --api-key 或 OPENAI_API_KEY 提供"
    ),
    # the lifecycle
    "the answer is too short to be disturbed: {}": "回答太短，来不及干扰：{}",
    "no stream of {} pieces in {} tries, the last one ended {}": (
        "{1} 次尝试中没有含 {0} 段的流，最后一次以 {2} 结束"
    ),
    "{} times [DONE] in what the slow reader got": "慢速读取者收到 {} 次 [DONE]",
    "no answer after its start: {}": "启动后没有回答：{}",
    "no process of it runs: {}": "它没有任何进程在运行：{}",
    "a short request ended {}": "短请求以 {} 结束",
    "a short answer took {} s {}, {} s before": "短回答{1}耗时 {0} 秒，此前 {2} 秒",
    "the server does not come back by itself": "服务没有自行恢复",
    "{} processes outlive it": "有 {} 个进程在其结束后仍存活",
    "it still runs {} s after SIGTERM": "SIGTERM 之后 {} 秒仍在运行",
    "processes of it outlive it": "其子进程在其结束后仍存活",
    "no other model was named (--swap NAME)": "未指定另一个模型（--swap NAME）",
    "the slow reader never got to the end": "慢速读取者始终未读到结尾",
    "the half-closed connection was kept without an end": "半关闭的连接一直未结束",
    # whose fault it is
    "no engine has a part in this check": "该测试不涉及引擎",
    "with an engine that is right by construction, the check fails too": (
        "换用必然正确的引擎时同一测试也失败"
    ),
    "with an engine that is right by construction, the gateway passes": (
        "换用必然正确的引擎时网关通过"
    ),
    "each passes without the other; was it by chance, or under load?": (
        "网关与引擎各自单独均通过；是偶然，还是负载所致？"
    ),
    "straight at the engine, the same check passes": "直连引擎时同一测试通过",
    "straight at the engine, the same check can't be asked: {}": "直连引擎时无法进行同一测试：{}",
    "straight at the engine, it gives no answer: {}": "直连引擎时没有回答：{}",
    "straight at the engine, the same check can't be judged either": "直连引擎时同样无法评判",
    "straight at the engine, the same check fails, whatever is said": "直连引擎时同一测试也失败",
    "the library alone, with the same weights and template, says what was expected": (
        "仅用官方库与相同权重、模板即得到预期回答"
    ),
    "the library alone, with the same weights and template, is wrong too, and says: {}": (
        "仅用官方库与相同权重、模板，回答同样有误：{}"
    ),
    "the library can't answer with these weights either": "官方库用这些权重也无法回答",
    "the text of message {} ({}) is not in the prompt that the template makes: {}": (
        "模板生成的提示中没有第 {} 条消息（{}）的文本：{}"
    ),
    "the tool {} is not in the prompt": "提示中没有工具 {}",
    "the template can't render the request: {}": "模板无法渲染请求：{}",
    "the template does not open the answer": "模板没有开启回答",
    "an engine of its own did not come up: {}": "单独的引擎未能启动：{}",
    # the stream
    "the stream ends in the middle of an event": "流在事件中途结束",
    "the stream begins with a byte order mark": "流以字节顺序标记开头",
    "the content type of a stream is {}, not text/event-stream": (
        "流的内容类型为 {}，而非 text/event-stream"
    ),
    "something comes after [DONE]": "[DONE] 之后还有内容",
    "the stream has no events": "流中没有事件",
    "an event is no JSON object": "事件不是 JSON 对象",
    "an event is not JSON": "事件不是 JSON",
    "an error ended the stream: {}": "流以错误结束：{}",
    "a chunk's object is {}": "数据块的 object 为 {}",
    "a choice's index is {}": "候选的 index 为 {}",
    "the first delta's role is {}, not 'assistant'": "首个增量的 role 为 {}，不是 'assistant'",
    "a delta's content is {}, not a string": "增量的 content 是 {}，不是字符串",
    "text or calls come after finish_reason": "finish_reason 之后还有文本或调用",
    "a tool call's delta has no index": "工具调用的增量缺少 index",
    "the name of a tool call comes twice": "工具调用的名称出现两次",
    "arguments in a delta are not a string": "增量中的参数不是字符串",
    "the chunks of one stream have {} ids, some may be empty": (
        "同一流的数据块有 {} 个 id，可能有空值"
    ),
    "the chunks of one stream name different models": "同一流的数据块给出不同的模型名",
    "finish_reason comes {} times, not once": "finish_reason 出现 {} 次，而非一次",
    "no usage, though stream_options.include_usage asked for it": (
        "已用 stream_options.include_usage 请求用量，却没有返回"
    ),
    "the stream ended with neither text nor finish_reason": "流结束时既无文本也无 finish_reason",
    "a line that is no field of an event stream: {}": "有一行不是事件流字段：{}",
    "the id of a tool call changes between its deltas": "工具调用的 id 在增量之间改变",
    "tool call {} has no name": "工具调用 {} 没有名称",
}
BETWEEN = "; "


def in_chinese(text: str) -> str:
    """As it is, where it is none of the sentences: what a server or a model said itself."""
    if (whole := _one(text)) is not None:
        return whole
    parts = text.split(BETWEEN)
    if len(parts) > 1 and any(_one(part) is not None for part in parts):
        return "；".join(_one(part) or part for part in parts)
    return text


def _one(text: str) -> str | None:
    for shape, chinese in _shapes():
        if found := shape.fullmatch(text):
            return chinese.format(*(in_chinese(hole) for hole in found.groups()))
    return None


@cache
def _shapes() -> list[tuple[re.Pattern[str], str]]:
    """Those with the most words of their own first: what fits two shapes means the closer one."""
    ordered = sorted(SENTENCES, key=lambda text: -len(text.replace("{}", "")))
    return [
        (re.compile("(.*?)".join(map(re.escape, text.split("{}"))), re.DOTALL), SENTENCES[text])
        for text in ordered
    ]
