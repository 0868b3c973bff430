import { getToolName, isToolUIPart } from "ai";
import { useWords } from "../../i18n";
import { Badge } from "../../parts/basic";
import { Icon } from "../../parts/icon";
import type { ChatMessage } from "./types";

type Part = ChatMessage["parts"][number];
export interface ToolShown {
  name: string;
  state: string;
  input: unknown;
  output: unknown;
  error: string | undefined;
}

// More of a result than this is in the model's hands, not before the reader's eyes.
const SHOWN_CHARACTERS = 20_000;

export function toolOf(part: Part): ToolShown | null {
  if (!isToolUIPart(part)) return null;
  return {
    name: getToolName(part),
    state: part.state,
    input: part.input,
    output: part.state === "output-available" ? part.output : undefined,
    error: part.state === "output-error" ? part.errorText : undefined,
  };
}

export function ToolCard({ tool }: { tool: ToolShown }) {
  const words = useWords();
  const tone = tool.error ? "bad" : tool.state === "output-available" ? "good" : "warn";
  const said = tool.error ? words.chat.toolFailed : tone === "good" ? words.chat.toolDone : words.chat.toolRuns;
  return (
    <details className="tool small" open={Boolean(tool.error)}>
      <summary className="row">
        <Icon name="tool" />
        <span className="mono">{tool.name}</span>
        <Badge tone={tone}>{said}</Badge>
      </summary>
      <div className="stack">
        <Value label={words.chat.toolInput} value={tool.input} />
        {tool.output !== undefined && <Value label={words.chat.toolOutput} value={tool.output} />}
        {tool.error && <p className="fault">{tool.error}</p>}
      </div>
    </details>
  );
}

function Value({ label, value }: { label: string; value: unknown }) {
  if (value === undefined) return null;
  const text = typeof value === "string" ? value : JSON.stringify(value, null, 2);
  return (
    <div>
      <span className="quiet">{label}</span>
      <pre tabIndex={0}>{text.slice(0, SHOWN_CHARACTERS)}</pre>
    </div>
  );
}
