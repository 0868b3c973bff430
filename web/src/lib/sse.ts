// Server-sent events by fetch: EventSource cannot send the token.

import { request } from "./api";

export interface Message {
  event: string;
  data: string;
}

export async function* messages(
  path: string,
  signal: AbortSignal,
  init: RequestInit = {},
): AsyncGenerator<Message> {
  const answer = await request(path, { ...init, signal });
  const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      rest += value.replaceAll("\r\n", "\n");
      for (let end = rest.indexOf("\n\n"); end >= 0; end = rest.indexOf("\n\n")) {
        const made = parse(rest.slice(0, end));
        rest = rest.slice(end + 2);
        if (made) yield made;
      }
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

function parse(block: string): Message | null {
  let event = "message";
  const data: string[] = [];
  for (const line of block.split("\n")) {
    if (line.startsWith("event:")) event = line.slice(6).trim();
    else if (line.startsWith("data:")) data.push(line.slice(5).replace(/^ /, ""));
  }
  return data.length ? { event, data: data.join("\n") } : null;
}
