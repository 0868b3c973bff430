"""The same as `mlxd smoke`."""

import typer

from mlxd.cli.smoke import Command, smoke

app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode=None, add_completion=False)
app.command(cls=Command)(smoke)

if __name__ == "__main__":
    app(prog_name="python -m mlxd.smoke")
