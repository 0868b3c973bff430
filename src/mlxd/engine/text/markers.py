"""Every marker known here. Where a vocabulary has it as one token, it is a control token."""

from .calls import FORMATS

# Pairs that mark reasoning, by how specific they are.
THINKING = (
    ("<|channel>thought", "<channel|>"),
    ("<|think:start|>", "<|think:end|>"),
    ("<longcat_think>", "</longcat_think>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("[THINK]", "[/THINK]"),
    ("<seed:think>", "</seed:think>"),
    ("<think>", "</think>"),
)

KNOWN = frozenset(
    {marker for pair in THINKING for marker in pair}
    | {marker for form in FORMATS for marker in form.markers if len(marker) > 1}
    | {"<tool_response>", "</tool_response>", "<tools>", "</tools>"}
)
