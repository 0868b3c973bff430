import json
from pathlib import Path
from typing import Any

import pytest

from mlxd.engine.text import InvalidChat, Style, Template, Tokenizer, UnusableModel
from mlxd.wire import Chat, ImagePart, Message, TextPart, Tool, ToolCall


def user(text: str) -> Message:
    return Message("user", [TextPart(text)])


def rendered(tokenizer: Tokenizer, source: str, chat: Chat | None = None, **kwargs: Any) -> str:
    return str(Template(source, tokenizer).render(chat or Chat([user("hi")], **kwargs)))


def test_sources_are_found_in_their_order(tmp_path: Path, tokenizer: Tokenizer) -> None:
    def now(**kwargs: Any) -> str:
        return str(Template.load(tmp_path, tokenizer).render(Chat([user("hi")], **kwargs)))

    assert now() == "User: hi\n\nAssistant:"
    named = [{"name": "default", "template": "D"}, {"name": "tool_use", "template": "T"}]
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": named[:1]}))
    assert now() == "D"
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": named}))
    assert now() == "D"
    assert now(tools=[Tool("f")]) == "T"
    (tmp_path / "chat_template.json").write_text(json.dumps({"chat_template": "J"}))
    assert now() == "J"
    (tmp_path / "chat_template.jinja").write_text("{{ messages[0].content }}!")
    assert now() == "hi!"


def test_the_environment_is_the_one_templates_are_written_for(tokenizer: Tokenizer) -> None:
    source = """\
{%- set ns = namespace(n=0) -%}
{%- for m in messages -%}
    {%- if loop.index0 == 3 %}{% break %}{% endif -%}
    {%- if m.role == 'system' %}{% continue %}{% endif -%}
    {%- set ns.n = ns.n + 1 -%}
    {%- generation %}[{{ loop.index }}:{{ m.content }}]{% endgeneration -%}
{%- endfor -%}
{{ ns.n }} {{ {'a': '<é>'} | tojson }} {{ [1] | tojson(indent=1) }} {{ eos_token }}
{{ strftime_now('%Y') | length }} {{ enable_thinking }} {{ missing is defined }}
"""
    chat = Chat(
        [Message("system", [TextPart("s")]), user("u"), Message("assistant"), user("x"), user("y")],
        template_kwargs={"enable_thinking": False},
    )
    assert rendered(tokenizer, source, chat) == (
        '[2:u][3:]2 {"a": "<é>"} [\n 1\n] <|im_end|>\n4 False False\n'
    ).rstrip("\n")


def test_it_renders_what_transformers_renders(tokenizer: Tokenizer, template: Template) -> None:
    from transformers.utils.chat_template_utils import render_jinja_template

    messages = [
        {"role": "user", "content": "1 < 2 & \"é\" 中"},
        {"role": "assistant", "content": "", "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": {"x": "é<"}}}]},
        {"role": "tool", "content": "3", "tool_call_id": "a"},
    ]  # fmt: skip
    nothing = {"type": "object", "properties": {}}
    function = {"name": "f", "description": "d", "parameters": nothing}
    tools = [{"type": "function", "function": function}]
    (theirs,), _ = render_jinja_template(
        [messages], tools, chat_template=template.source, add_generation_prompt=True
    )
    ours = template.render(
        Chat(
            [
                user('1 < 2 & "é" 中'),
                Message("assistant", tool_calls=[ToolCall("a", "f", '{"x": "é<"}')]),
                Message("tool", [TextPart("3")], tool_call_id="a"),
            ],
            tools=[Tool("f", "d")],
        )
    )
    assert str(ours) == theirs


def test_messages_have_the_form_that_templates_know(tokenizer: Tokenizer) -> None:
    chat = Chat(
        [
            Message("user", [TextPart("see "), ImagePart(b"x"), TextPart("?")], name="bo"),
            Message("assistant", reasoning="hm", tool_calls=[ToolCall("i", "f", '{"a": 1}')]),
            Message("tool", [TextPart("one "), TextPart("two")], tool_call_id="i"),
        ]
    )
    shown = json.loads(rendered(tokenizer, "{{ messages | tojson }}", chat))
    assert shown[0]["content"] == [
        {"type": "text", "text": "see "},
        {"type": "image"},
        {"type": "text", "text": "?"},
    ]
    assert (shown[0]["name"], shown[1]["reasoning_content"]) == ("bo", "hm")
    assert shown[1]["tool_calls"][0]["function"] == {"name": "f", "arguments": {"a": 1}}
    assert (shown[2]["content"], shown[2]["tool_call_id"]) == ("one two", "i")


def test_tool_choice_none_hides_the_tools(tokenizer: Tokenizer) -> None:
    for choice, seen in (("none", "no"), ("auto", "yes"), ("=f", "yes")):
        chat = Chat([user("x")], tools=[Tool("f")], tool_choice=choice)
        assert rendered(tokenizer, "{{ 'yes' if tools else 'no' }}", chat) == seen


def test_whether_tools_are_shown_is_known(tokenizer: Tokenizer, template: Template) -> None:
    assert template.renders_tools
    assert not Template("{{ messages }}", tokenizer).renders_tools


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("{{ raise_exception('Roles must alternate') }}", "Roles must alternate"),
        ("{{ messages[7].content }}", "can't render"),
        ("{{ 1 / 0 }}", "division"),
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
        ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "recursion"),
        ("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", "loops"),
        ("{% set r = range(9999) %}{% for a in r %}{% for b in r %}{% endfor %}{% endfor %}",
         "loops"),
        ("{{ 'x' * 99999999999 }}", "too long"),
        ("{{ 9 ** 9999999 }}", "powers"),
        ("{% for i in range(9999) %}{{ 'x' * 9999 }}{% endfor %}", "over 16000000"),
        ("{% include 'etc' %}", "loader"),
    ],
)  # fmt: skip
def test_a_template_that_fails_is_the_clients_to_hear_of(
    tokenizer: Tokenizer, source: str, says: str
) -> None:
    with pytest.raises(InvalidChat, match=says) as caught:
        rendered(tokenizer, source)
    assert caught.value.param == "messages"


@pytest.mark.parametrize("name", ["chat_template", "messages", "tools", "raise_exception", "range"])
def test_clients_do_not_replace_what_is_the_requests(tokenizer: Tokenizer, name: str) -> None:
    with pytest.raises(InvalidChat) as caught:
        rendered(tokenizer, "x", template_kwargs={name: "y"})
    assert caught.value.param == f"chat_template_kwargs.{name}"


def test_clients_do_not_replace_the_models_own_tokens(tokenizer: Tokenizer) -> None:
    kwargs = {"eos_token": "E"}
    assert rendered(tokenizer, "{{ eos_token }}", template_kwargs=kwargs) == "<|im_end|>"


@pytest.mark.parametrize(
    "arguments",
    [
        "{",
        "[1]",
        '"x"',
        "{'a': 1}",
        '{"a": ' * 101 + "1" + "}" * 101,
        "[" * 100_000,
        '{"a": ' * 2000 + "1" + "}" * 2000,
        r'{"a": "\ud800"}',
    ],
    ids=lambda arguments: arguments[:12],
)
def test_arguments_of_earlier_calls_must_be_objects(tokenizer: Tokenizer, arguments: str) -> None:
    chat = Chat([user("x"), Message("assistant", tool_calls=[ToolCall("1", "f", arguments)])])
    with pytest.raises(InvalidChat) as caught:
        rendered(tokenizer, "x", chat)
    assert caught.value.param == "messages.1.tool_calls.0.function.arguments"


def test_tools_nested_out_of_reason_are_an_error(template: Template) -> None:
    parameters: dict[str, Any] = {}
    for _ in range(5000):
        parameters = {"a": parameters}
    with pytest.raises(InvalidChat, match="recursion"):
        template.render(Chat([user("x")], tools=[Tool("f", parameters=parameters)]))


def test_no_messages_is_an_error(template: Template) -> None:
    with pytest.raises(InvalidChat, match="empty"):
        template.render(Chat([]))


def test_a_broken_template_is_the_models_fault(tokenizer: Tokenizer) -> None:
    with pytest.raises(UnusableModel, match="chat template is broken"):
        Template("{% if %}", tokenizer)


def called(*cities: str) -> list[Message]:
    calls = [ToolCall(f"call_{c}", "weather", json.dumps({"city": c})) for c in cities]
    results = [Message("tool", [TextPart(f"{c}!")], tool_call_id=f"call_{c}") for c in cities]
    return [user("?"), Message("assistant", [], tool_calls=calls), *results]


def test_what_a_template_does_not_know_of_is_told_all_the_same(tokenizer: Tokenizer) -> None:
    """Many templates drop the roles and fields that they do not know without a word."""
    source = (
        "{% for m in messages if m.role in ('user', 'assistant') %}{{ m.content }}|{% endfor %}"
    )
    told = rendered(tokenizer, source, Chat(called("Bern")))
    assert told.split("|")[1:3] == [
        '<tool_call>\n{"name": "weather", "arguments": {"city": "Bern"}}\n</tool_call>',
        "Bern!",
    ]


def test_ids_have_the_length_that_a_template_demands(tokenizer: Tokenizer) -> None:
    source = """\
{%- for m in messages %}{% for c in m.tool_calls or [] -%}
{%- if c.id | length != 9 %}{{ raise_exception('nine') }}{% endif %}{{ c.id }}={% endfor -%}
{%- if m.role == 'tool' %}{{ m.tool_call_id }}={{ m.content }}{% endif %}{% endfor -%}"""
    call, result, _ = rendered(tokenizer, source, Chat(called("Bern"))).split("=")
    assert call == result
    assert call.isalnum()
    mine = "aB3456789"
    kept = [
        user("?"),
        Message("assistant", [], tool_calls=[ToolCall(mine, "f", "{}")]),
        Message("tool", [TextPart("!")], tool_call_id=mine),
    ]
    assert rendered(tokenizer, source, Chat(kept)) == f"{mine}={mine}=!"


def test_several_calls_are_told_one_by_one_where_a_template_demands_it(
    tokenizer: Tokenizer,
) -> None:
    source = """\
{%- for m in messages %}{% if m.tool_calls -%}
{%- if m.tool_calls | length != 1 %}{{ raise_exception('one at a time') }}{% endif -%}
{{ m.tool_calls[0].function.arguments.city }}?{% elif m.role == 'tool' %}{{ m.content }}
{%- endif %}{% endfor -%}"""
    assert rendered(tokenizer, source, Chat(called("Bern", "Rome"))) == "Bern?Bern!Rome?Rome!"


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("{% for t in tools %}{{ t }}{% endfor %}none", "none"),  # goes through them unasked
        ("{% set l = [] %}{% for m in messages %}{{ l.append(m.role) or '' }}{% endfor %}"
         "{{ l | join(',') }}{{ l.pop() }}{{ messages[-1].content }}",
         "user,assistant,tooltoolBern!"),
        ("{{ messages | map(attribute='role') | tojson }}{{ messages[-1].content }}",
         '["user", "assistant", "tool"]Bern!'),
        ("{% for m in messages if m.tool_calls %}{{ '=' + m.tool_calls[0].function.arguments }}"
         "{% endfor %}", '={"city": "Bern"}'),
    ],
)  # fmt: skip
def test_habits_of_templates(tokenizer: Tokenizer, source: str, wanted: str) -> None:
    assert rendered(tokenizer, source, Chat(called("Bern"))) == wanted


def test_thinking_and_calls_are_recognised_by_how_templates_spell_them(
    tokenizer: Tokenizer,
) -> None:
    def style(source: str) -> Style:
        return Style.infer(Template(source, tokenizer), tokenizer)

    pieces = "{% set t = '｜DSML｜' %}{{ '<' + t + 'KIND>' }}{{ messages[0].content }}"
    for kind, name in (("function_calls", "dsml"), ("tool_calls", "dsml_tools")):
        found = style(pieces.replace("KIND", kind)).calls
        assert found is not None
        assert found.name == name
    thinking = style("{{ messages[0].content }}<|START_THINKING|><|END_THINKING|>").think
    assert thinking == ("<|START_THINKING|>", "<|END_THINKING|>")


def test_a_list_may_only_grow_one_by_one(tokenizer: Tokenizer) -> None:
    with pytest.raises(InvalidChat, match="unsafe"):
        rendered(tokenizer, "{% set l = [1] %}{{ l.extend(l) }}")
