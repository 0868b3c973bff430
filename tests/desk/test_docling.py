"""Docling, as it is published, reads and describes with the options of the documentation."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from .papers import Paper, label
from .service import Service

pytestmark = pytest.mark.timeout(600)

ROOT = Path(__file__).parents[2]
# Without PyTorch and models of its own; what these parts need beside is small.
PACKAGE = "docling-slim[convert-core,format-pdf-pypdfium2,format-markdown,format-html]==2.143.0"
RUN = """
import sys
from pathlib import Path

from PIL import Image

from docling.backend.pypdfium2_backend import PyPdfiumDocumentBackend
from docling.datamodel.accelerator_options import AcceleratorOptions
from docling.datamodel.base_models import InputFormat
from docling.datamodel.document import InputDocument
from docling.models.stages.picture_description.picture_description_api_model import (
    PictureDescriptionApiModel,
)
from docling.pipeline.vlm_pipeline import VlmPipeline

scan = InputDocument(
    path_or_stream=Path(sys.argv[1]),
    format=InputFormat.PDF,
    backend=PyPdfiumDocumentBackend,
    filename="scan.pdf",
)
made = VlmPipeline(pages).execute(scan, raises_on_error=True)
print(made.status.value)
print(made.document.export_to_markdown())
describing = PictureDescriptionApiModel(
    True, True, None, pictures.picture_description_options, AcceleratorOptions()
)
[told] = describing._annotate_images([Image.open(sys.argv[2])])
print(told.error, told.text)
"""


@pytest.fixture(scope="module")
def docling(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that has Docling: its dependencies are not ours."""
    folder = tmp_path_factory.mktemp("docling") / "venv"
    python = folder / "bin" / "python"
    uv = str(ROOT / "scripts" / "uv")
    for command in (
        [uv, "venv", "--quiet", "--python", sys.executable, str(folder)],
        [uv, "pip", "install", "--quiet", "--python", str(python), PACKAGE],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"Docling can't be fetched: {done.stderr.strip()[-200:]}")
    return python


def test_docling_converts_and_describes_through_mlxd(
    docling: Path, service: Service, folder: Path
) -> None:
    text = (ROOT / "docs" / "how" / "documents.md").read_text(encoding="utf-8")
    section = text[text.index("## Docling") :]
    options = "".join(re.findall(r"```python\n(.*?)```", section, re.DOTALL))
    asked = options.replace("http://127.0.0.1:60315", str(service.http.base_url).rstrip("/"))
    assert asked.count(str(service.http.base_url).rstrip("/")) == 2
    scan, sign = folder / "scan.pdf", folder / "sign.png"
    scan.write_bytes(Paper().scan("Delivery 12\nCrate KLM4711", 60).bytes())
    label("SIGN 4711").save(sign)
    done = subprocess.run(
        [str(docling), "-W", "ignore", "-c", asked + RUN, str(scan), str(sign)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    status, page, described = done.stdout.strip().splitlines()
    assert status == "success"
    assert "KLM4711" in page
    assert described.startswith("None ")
    assert "4711" in described
