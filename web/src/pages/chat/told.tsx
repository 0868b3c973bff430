import type { ReactNode } from "react";
import { useWords } from "../../i18n";
import { href } from "../../lib/route";

/** Why an answer failed, as the service says it, and where that can be mended here. */
export function Told({ error, code = null, children }: { error: string; code?: string | null; children?: ReactNode }) {
  const words = useWords();
  const toAssign = /^No model is assigned to (\S+)\./.exec(error);
  return (
    <div className="fault stack" role="alert">
      {toAssign ? (
        <p>
          {words.chat.nobodyFor(toAssign[1]!)} <a href={href("models")}>{words.chat.nobodyDo}</a>
        </p>
      ) : (
        <p dir="auto">{words.fault(error, code)}</p>
      )}
      {children}
    </div>
  );
}
