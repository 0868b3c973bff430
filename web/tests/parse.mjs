// Recorded streams through the npm client, for the tests: each part through its schema, and the
// whole through a chat of its own. Reads JSON lines, prints what was made of each.
//   node parse.mjs < streams.jsonl
// A stream: {"body": the bytes as text}

import { createInterface } from "node:readline";
import { Chat } from "@ai-sdk/react";
import { DefaultChatTransport, parseJsonEventStream, uiMessageChunkSchema } from "ai";

for await (const line of createInterface({ input: process.stdin })) {
  const { body } = JSON.parse(line);
  const wrong = [];
  const kinds = [];
  const parts = parseJsonEventStream({ stream: new Response(body).body, schema: uiMessageChunkSchema });
  for await (const part of parts) {
    if (part.success) kinds.push(part.value.type);
    else wrong.push(String(part.error));
  }
  const headers = { "content-type": "text/event-stream" };
  const fetch = async () => new Response(body, { headers });
  const chat = new Chat({ transport: new DefaultChatTransport({ fetch }) });
  await chat.sendMessage({ text: "recorded" });
  console.log(
    JSON.stringify({ kinds, wrong, status: chat.status, error: chat.error?.message, messages: chat.messages }),
  );
}
