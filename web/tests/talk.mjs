// The npm client as an application uses it, for the tests: reads turns as JSON lines, holds one
// conversation, and prints what the client holds after each.
//   node talk.mjs URL < turns.jsonl
// A turn: {"text": …, "files"?: […], "body"?: {…}, "regenerate"?: true | message, "stopAfter"?: characters}
// or {"load": true}, for what is kept of the conversation, or {"resume": true}, for the answer that is
// being made there.

import { createInterface } from "node:readline";
import { Chat } from "@ai-sdk/react";
import { DefaultChatTransport } from "ai";

const [url, id = "talk"] = process.argv.slice(2);
const chat = new Chat({ id, transport: new DefaultChatTransport({ api: `${url}/chat/agent-stream` }) });

for await (const line of createInterface({ input: process.stdin })) {
  const turn = JSON.parse(line);
  if (turn.load) {
    chat.messages = (await (await fetch(`${url}/sessions/${id}`)).json()).messages;
    tell();
    continue;
  }
  const told = turn.resume
    ? chat.resumeStream()
    : turn.regenerate
      ? chat.regenerate({ body: turn.body, ...(turn.regenerate === true ? {} : { messageId: turn.regenerate }) })
      : chat.sendMessage({ text: turn.text, files: turn.files }, { body: turn.body });
  if (turn.stopAfter !== undefined) {
    const unsubscribe = chat["~registerMessagesCallback"](() => {
      if (said() >= turn.stopAfter) {
        unsubscribe();
        void chat.stop();
      }
    });
  }
  await told;
  tell();
}

function tell() {
  console.log(JSON.stringify({ status: chat.status, error: chat.error?.message, messages: chat.messages }));
}

function said() {
  const last = chat.messages.at(-1);
  if (last?.role !== "assistant") return -1;
  return last.parts.reduce((sum, part) => sum + (part.type === "text" ? part.text.length : 0), 0);
}
