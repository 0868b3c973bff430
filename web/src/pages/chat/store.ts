// Conversations outlive their page: an answer goes on while the reader looks elsewhere, and what was
// being written is still there on return.

import { Chat } from "@ai-sdk/react";
import { DefaultChatTransport, type FileUIPart } from "ai";
import { request, send } from "../../lib/api";
import type { ChatMessage } from "./types";

interface Draft {
  text: string;
  files: FileUIPart[];
}

// Of those that are not being answered; the service has them all.
const KEPT = 20;

const chats = new Map<string, Chat<ChatMessage>>();
const drafts = new Map<string, Draft>();
const API = "/chat/agent-stream";
const transport = new DefaultChatTransport<ChatMessage>({
  api: API,
  // An answer goes on when its page is loaded anew; what ends it is said by `halt`.
  body: { resumable: true },
  fetch: async (path, init) => {
    const answer = await request(String(path), init ?? {});
    if (init?.method === "POST") announce(idOf(init.body));
    return answer;
  },
});

// Other windows of this browser; those elsewhere see it when they are looked at.
const windows = new BroadcastChannel("mlxd chat");

function idOf(body: unknown): string {
  return (JSON.parse(String(body)) as { id: string }).id;
}

/** Something was said there: a question that is answered now, or its answer. */
export function announce(id: string): void {
  windows.postMessage(id);
}

export function announced(signal: AbortSignal, heard: (id: string) => void): void {
  windows.addEventListener("message", ({ data }: MessageEvent<string>) => heard(data), { signal });
}

// A service that does not hear of it is left all the same.
const HALT_MS = 1000;

/** Ends the answer for everybody who reads it. */
export async function halt(chat: Chat<ChatMessage>): Promise<void> {
  const question = chat.messages.findLast((one) => one.role === "user")?.id ?? "";
  const path = `${API}/${encodeURIComponent(chat.id)}/stream?question=${encodeURIComponent(question)}`;
  const late = new Promise((go) => setTimeout(go, HALT_MS));
  // What was said before it comes to its end here as in every other window.
  const over = new Promise<void>((go) => {
    const stop = chat["~registerStatusCallback"](() => busy(chat) || (stop(), go()));
  });
  await Promise.race([Promise.all([send("DELETE", path), over]).catch(() => undefined), late]);
  if (busy(chat)) await chat.stop();
}

export function busy(chat: Chat<ChatMessage>): boolean {
  return chat.status === "submitted" || chat.status === "streaming";
}

/** The one that is being answered here; any other is read from the service again. */
export function held(id: string): Chat<ChatMessage> | undefined {
  const chat = chats.get(id);
  return chat && (busy(chat) || chat.error) ? chat : undefined;
}

export function open(id: string, messages: ChatMessage[]): Chat<ChatMessage> {
  const made = held(id) ?? new Chat<ChatMessage>({ id, messages, transport });
  chats.delete(id);
  chats.set(id, made);
  const idle = [...chats].filter(([, one]) => !busy(one)).map(([name]) => name);
  for (const old of idle.slice(0, -KEPT)) chats.delete(old);
  return made;
}

export function forget(id: string): void {
  void chats.get(id)?.stop();
  chats.delete(id);
  drafts.delete(id);
}

export const draft = {
  get: (id: string): Draft => drafts.get(id) ?? { text: "", files: [] },
  set: (id: string, made: Draft): void => void drafts.set(id, made),
};
