"""What a model's files say of it, beside what an engine finds once it has loaded them."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mlxd.catalog.about import PROCESS_BYTES, about
from mlxd.catalog.catalogue import pilot_path
from mlxd.catalog.kv import key_values
from mlxd.catalog.template import problem

from .test_catalogue import shard, write


def command(name: str, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mlxd", "models", "inspect", name, *more],
        capture_output=True,
        text=True,
        env={**os.environ, "MLXD_CONFIG": os.devnull},
    )


def test_the_bundled_model() -> None:
    path = pilot_path()
    assert path is not None
    done = command("pilot", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    config = json.loads((path / "config.json").read_text())
    assert told["architecture"] == config["model_type"]
    assert told["vision_tower"] is True
    assert 0 < told["vision_parameters"] < told["parameters"]
    assert told["chat_template"] is True
    assert told["renders_tools"] is True
    assert told["tool_calls"]
    assert told["quantisation"]["bits"] == config["quantization"]["bits"]
    assert told["context"] == config["text_config"]["max_position_embeddings"]
    card = (path / "README.md").read_text(encoding="utf-8")
    millions = re.search(r"(\d+(?:\.\d+)?) ?(?:M|million)", card)
    assert millions is not None
    assert told["parameters"] / 1e6 == pytest.approx(float(millions[1]), rel=0.02)
    needed = [told["memory"][key] for key in sorted(told["memory"], key=int)]
    assert needed == sorted(needed)
    assert needed[0] > told["size_bytes"] + PROCESS_BYTES


def test_nothing_of_mlx_is_loaded() -> None:
    code = (
        "import sys; from mlxd.cli.models_inspect import _chat;"
        "from mlxd.catalog.about import about;"
        "from mlxd.catalog.catalogue import pilot_path; p = pilot_path(); about(p); _chat(p);"
        "print(sorted({m.partition('.')[0] for m in sys.modules} & {'mlx', 'mlx_lm', 'mlx_vlm'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda f: (f / "config.json").unlink(), "config.json is missing"),
        (lambda f: (f / "config.json").write_text("{"), "not valid JSON"),
        (lambda f: (f / "config.json").write_text('{"model_type": 5}'), "architecture '5'"),
        (lambda f: shard(f / "model.safetensors", missing_bytes=3), "cut off"),
        (lambda f: (f / "model.safetensors").write_bytes(b"\xff" * 99), "cut off or no"),
        (lambda f: (f / "config.json").write_text('{"a":' * 9999 + "1" + "}" * 9999), "too deeply"),
        (lambda f: pipe(f / "config.json"), "no regular file"),
        (lambda f: os.truncate(f / "config.json", 1 << 30), "1074 MB"),
        (
            lambda f: (f / "model.safetensors").write_bytes(
                (57).to_bytes(8, "little")
                + b'{"a":{"dtype":"F32","shape":[5],"data_offsets":[0,-20]}}'.ljust(57)
            ),
            "damaged header",
        ),
        (lambda f: (f / "tokenizer.json").unlink(), "no tokenizer"),
        (lambda f: (f / "tokenizer.json").write_text("{"), ""),
        (
            lambda f: (f / "tokenizer.json").write_text("version https://git-lfs"),
            "tokenizer.json is",
        ),
        (lambda f: (f / "tokenizer_config.json").write_text("{"), "tokenizer_config.json is not"),
        (lambda f: (f / "chat_template.jinja").write_text("a\n{% if %}"), "template is broken"),
        (lambda f: (f / "chat_template.jinja").write_text("{% endif %}"), "template is broken"),
    ],
)
def test_a_broken_folder_gives_reasons_and_no_traceback(
    tmp_path: Path, damage: object, told: str
) -> None:
    folder = write(tmp_path / "m", num_hidden_layers="x")
    assert callable(damage)
    damage(folder)
    done = command(str(folder), "--json")
    assert "Traceback" not in done.stderr
    made = json.loads(done.stdout)
    assert made["usable"] is (told == "")
    assert told in "; ".join(made["reasons"])
    assert done.returncode == (0 if made["usable"] else 1)
    if not told:
        assert made["template_error"]


@pytest.mark.parametrize(
    "source",
    [
        "{% for m in messages %}{{ m.content }}{% endfor %}",
        "{% generation %}{{ messages[0].content }}{% endgeneration %}",
        "{% for m in messages %}{% if m.x %}{% break %}{% endif %}{% continue %}{% endfor %}",
        "{% macro a(b) -%}{{ b | tojson }}{%- endmacro %}{{ a(tools) }}",
        "{% if a %}",
        "{{ messages[0 }}",
        "{% unheard_of %}",
        "{# never ends",
        "(" * 2000 + "{{" + "(" * 50 + ")" * 50 + "}}",
    ],
)
def test_a_template_is_judged_as_the_engine_judges_it(source: str) -> None:
    from jinja2 import TemplateError

    from mlxd.engine.text.jinja import compile_template

    try:
        compile_template(source)
        taken = True
    except TemplateError:
        taken = False
    assert (problem([source]) is None) is taken


def test_a_model_that_ranks_by_a_word_makes_tokens(tmp_path: Path) -> None:
    """What sentence-transformers puts beside one does not make it a model for vectors."""
    folder = write(tmp_path / "Qwen3-Reranker-0.6B-4bit", architectures=["Qwen3ForCausalLM"])
    (folder / "modules.json").write_text("[]")
    (folder / "config_sentence_transformers.json").write_text("{}")
    (folder / "1_LogitScore").mkdir()
    assert "text" in about(folder).capabilities
    (folder / "1_LogitScore").rename(folder / "1_Pooling")
    assert about(folder).capabilities == ["embedding"]


def test_a_model_that_is_not_here_is_told_from_the_catalogue() -> None:
    done = command("qwen3-reranker-0.6b", "--json")
    assert done.returncode == 1
    made = json.loads(done.stdout)
    assert made["id"] == "mlx-community/Qwen3-Reranker-0.6B-4bit"
    assert made["licence"]
    assert "rank" in made["note"]
    assert "mlxd models pull qwen3-reranker-0.6b" in done.stderr
    shown = command("llama-3.2-1b").stdout
    # Read on its page, and reckoned.
    assert re.search(r"^size +700 MB$", shown, re.MULTILINE)
    assert re.search(r"^memory +~1\.3 GB", shown, re.MULTILINE)


def test_packed_weights_are_counted_as_the_model_has_them(tmp_path: Path) -> None:
    folder = write(tmp_path / "m", quantization={"group_size": 64, "bits": 4})
    header = json.dumps(
        {
            "a.weight": {"dtype": "U32", "shape": [10, 16], "data_offsets": [0, 640]},
            "a.scales": {"dtype": "BF16", "shape": [10, 2], "data_offsets": [640, 680]},
            "a.biases": {"dtype": "BF16", "shape": [10, 2], "data_offsets": [680, 720]},
            "norm.weight": {"dtype": "BF16", "shape": [10], "data_offsets": [720, 740]},
        }
    ).encode()
    content = len(header).to_bytes(8, "little") + header + bytes(740)
    (folder / "model.safetensors").write_bytes(content)
    told = about(folder)
    assert told.parameters == 10 * 128 + 10
    assert told.size_bytes == 740
    assert told.quantisation is not None
    assert told.quantisation.bits_per_weight == pytest.approx(740 * 8 / 1290, abs=0.01)


@pytest.mark.parametrize(
    ("config", "each", "at"),
    [
        ({"num_hidden_layers": 4, "num_attention_heads": 8, "hidden_size": 512}, 8192, 8192),
        (
            {"num_hidden_layers": 4, "num_attention_heads": 8, "num_key_value_heads": 2,
             "head_dim": 32}, 1024, 1024,
        ),
        (
            {"num_hidden_layers": 4, "num_attention_heads": 1, "head_dim": 64,
             "sliding_window": 512, "sliding_window_pattern": 4}, 1024, 448,
        ),
        (
            {"num_hidden_layers": 2, "num_attention_heads": 1, "head_dim": 64,
             "layer_types": ["linear_attention", "full_attention"]}, 256, 256,
        ),
        ({"num_hidden_layers": 2, "num_attention_heads": 8, "kv_lora_rank": 512,
          "qk_rope_head_dim": 64}, 2304, 2304),
    ],
)  # fmt: skip
def test_a_token_takes_what_its_layers_keep(config: dict[str, object], each: int, at: int) -> None:
    """`at`: bytes a token when 2048 of them are there."""
    found = key_values(config, width=2)
    assert found is not None
    assert found.growing + found.sliding == each
    assert found.size(2048) == at * 2048


def test_what_config_does_not_say_is_not_made_up() -> None:
    assert key_values({}) is None
    assert key_values({"num_hidden_layers": "x"}) is None
