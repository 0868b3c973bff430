// Conversations outlive their page: an answer goes on while the reader looks elsewhere, and what was
// being written is still there on return.

import { Chat } from "@ai-sdk/react";
import { DefaultChatTransport, type FileUIPart } from "ai";
import { request } from "../../lib/api";
import type { ChatMessage } from "./types";

interface Draft {
  text: string;
  files: FileUIPart[];
}

// Of those that are not being answered; the service has them all.
const KEPT = 20;

const chats = new Map<string, Chat<ChatMessage>>();
const drafts = new Map<string, Draft>();
const transport = new DefaultChatTransport<ChatMessage>({
  api: "/chat/agent-stream",
  fetch: (path, init) => request(String(path), init ?? {}),
});

export function busy(chat: Chat<ChatMessage>): boolean {
  return chat.status === "submitted" || chat.status === "streaming";
}

/** The one that is being answered; any other is read from the service again. */
export function answering(id: string): Chat<ChatMessage> | undefined {
  const chat = chats.get(id);
  return chat && (busy(chat) || chat.error) ? chat : undefined;
}

export function open(id: string, messages: ChatMessage[]): Chat<ChatMessage> {
  const made = answering(id) ?? new Chat<ChatMessage>({ id, messages, transport });
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
