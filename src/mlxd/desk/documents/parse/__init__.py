"""Files become pages of blocks, each in a process of its own with limits, as files may be hostile.

extract(request, stop)               writes survey.json, page-NNNNN.json and pictures into a folder
plain.survey(file, …)                text and Markdown that is not long, without a process
"""

from . import plain
from .child import Extraction, extract

__all__ = ["Extraction", "extract", "plain"]
