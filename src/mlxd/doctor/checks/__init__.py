"""One check per module; `examination` has their order."""
