"""What models can do, and what applications assign."""

# What requests need and engines report.
CAPABILITIES = ("text", "vision", "tool_use", "structured_output", "embedding", "reranker")
# Labels that an application may assign; nothing can be asked to confirm them.
LABELS = ("reasoning", "code")
KNOWN = CAPABILITIES + LABELS
