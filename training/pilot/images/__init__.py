"""Pictures: printed text, drawn scenes and bar charts, with what is in them."""
