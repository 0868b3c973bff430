"""Tools and the choice among them."""

from mlxd import wire
from mlxd.gateway.errors import bad

from . import schema


def wire_tools(request: schema.ChatRequest) -> list[wire.Tool]:
    """The tools that the model may see, which `allowed_tools` can make fewer."""
    made: dict[str, wire.Tool] = {}
    for i, tool in enumerate(request.tools or ()):
        function = tool.function
        if function.name in made:
            param = f"tools[{i}].function.name"
            raise bad(f"{param}: there are two tools named {function.name!r}.", param)
        made[function.name] = wire.Tool(
            function.name,
            function.description or "",
            function.parameters or {},
            strict=function.strict is True,
        )
    choice = request.tool_choice
    if isinstance(choice, schema.AllowedTools):
        allowed = [tool.function.name for tool in choice.allowed_tools.tools]
        for name in allowed:
            _known(name, made, "tool_choice.allowed_tools")
        return [tool for tool in made.values() if tool.name in allowed]
    return list(made.values())


def tool_choice(request: schema.ChatRequest, tools: list[wire.Tool]) -> str:
    choice = request.tool_choice
    if isinstance(choice, schema.AllowedTools):
        choice = choice.allowed_tools.mode
    if isinstance(choice, schema.ChosenTool):
        name = choice.function.name
        _known(name, {tool.name: tool for tool in tools}, "tool_choice.function.name")
        return "=" + name
    if choice == "required" and not tools:
        raise bad("tool_choice: required needs at least one tool in tools.", "tool_choice")
    if not tools:
        return "none"
    return choice or "auto"


def _known(name: str, tools: dict[str, wire.Tool], param: str) -> None:
    if name not in tools:
        there = ", ".join(tools) or "none"
        raise bad(f"{param}: there is no tool named {name!r} in tools ({there}).", param)
