import checks from "./told/checks.json";
import codes from "./told/codes.json";
import diagnoses from "./told/diagnoses.json";
import doctor from "./told/doctor.json";
import documents from "./told/documents.json";
import models from "./told/models.json";
import service from "./told/service.json";
import { reader } from "./told/shapes";

/** The service says in English why something happened, in sentences of its own. What is not known
 * here, such as the words of a system, stays as it is. */

const PHASES: Record<string, string> = {
  starting: "启动",
  loading: "加载",
  warming: "预热",
  prefilling: "预填充",
  decoding: "生成",
  idle: "空闲",
};
const CAPABILITY = "([\\w-]+)";
const CAUSES: [RegExp, (...found: string[]) => string][] = [
  [/^never started$/, () => "尚未启动过"],
  [/^its first sign of life$/, () => "进程有了第一个响应"],
  [/^it has generated a token$/, () => "已生成第一个词元"],
  [/^a request came$/, () => "有请求到达"],
  [/^the service starts$/, () => "服务启动"],
  [/^(?:the|its) settings changed$/, () => "设置已更改"],
  [/^start was asked for$/, () => "收到启动指令"],
  [/^stop was asked for$/, () => "收到停止指令"],
  [/^restart was asked for$/, () => "收到重启指令"],
  [new RegExp(`^${CAPABILITY} is assigned to nothing$`), (what) => `${what} 不再分配给任何模型`],
  [new RegExp(`^${CAPABILITY} is assigned to (.+)$`), (what, model) => `${what} 已分配给 ${model}`],
  [/^idle for ([\d.e+]+) s$/, (s) => `空闲了 ${s} 秒`],
  [/^evicted: (.+) needs the memory$/, (model) => `让出内存给 ${model}`],
  [/^the service is stopping(?: at once)?$/, () => "服务正在停止"],
  [/^it was wanted again while it stopped$/, () => "停止过程中又有人需要它"],
  [/^its requests took too long$/, () => "它的请求耗时过长"],
  [/^its process ended by itself$/, () => "进程自行结束"],
  [/^its process exited with status (\d+)$/, (status) => `进程退出，状态码 ${status}`],
  [/^its process was ended by (?:signal )?(.+)$/, (signal) => `进程被 ${signal} 结束`],
  [/^its process can't be started: (.+)$/, (why) => `进程无法启动：${why}`],
  [/^its channel ended, but not its process$/, () => "通道已断开，进程仍在"],
  [/^it sent what is no frame \((.+)\)$/, (why) => `它发来的数据无法解析（${why}）`],
  [
    /^no sign of life for ([\d.]+) s while (\S+) \(its limit is ([\d.]+) s\)$/,
    (s, phase, limit) => `在${PHASES[phase] ?? phase}阶段 ${s} 秒没有响应（上限 ${limit} 秒）`,
  ],
  [/^it has been idle for ([\d.]+) s while it owes answers$/, (s) => `还欠着回答却空闲了 ${s} 秒`],
  [/^it lost (\d+) of the (\d+) answers that it owed$/, (lost, all) => `它丢失了 ${all} 个回答中的 ${lost} 个`],
  [/^its end could not be handled \(see gateway\.log\)$/, () => "它的结束未能处理（见 gateway.log）"],
  [/^what it sent could not be handled \((.+)\)$/, (why) => `它发来的内容未能处理（${why}）`],
  [/^nobody has asked for it yet$/, () => "还没有人用到它"],
  [/^nobody has asked for it for (\d+) s$/, (s) => `${s} 秒没有人用到它`],
  [/^it was asked for(?: again)?$/, () => "有人用到它"],
  [/^it listens$/, () => "已开始监听"],
];

function one(told: string): string | undefined {
  for (const [pattern, say] of CAUSES) {
    const found = pattern.exec(told);
    if (found) return say(...found.slice(1));
  }
  return undefined;
}

export function chineseCause(told: string): string {
  const again = /^restart after: (.*)$/s.exec(told);
  if (again) return `重启，原因：${chineseCause(again[1]!)}`;
  return told
    .split("; ")
    .map((part) => one(part) ?? part)
    .join("；");
}

/** Anything that the service says of a machine, a model, a document or an answer. */
export const chinese = reader([doctor, diagnoses, models, documents, service], one);

/** What a check of smoke says of a server. */
export const chineseCheck = reader([checks], chinese);

/** An error: its sentence, or at least what its code means, beside the words that came with it. */
export function chineseFault(told: string, code: string | null = null): string {
  const made = chinese(told);
  const meaning = code ? (codes as Record<string, string>)[code] : undefined;
  return made === told && meaning ? `${meaning}：${told}` : made;
}
