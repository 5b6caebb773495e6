"""How the manual is built: `make docs`.  Nothing is fetched: no inventories of other projects, no web fonts."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]  # the pages are about this checkout, whatever is installed

import examples_of  # noqa: E402
import model_pages  # noqa: E402
import names  # noqa: E402

import neurodev  # noqa: E402

project = "neurodev"
author = "The neurodev developers"
copyright = f"{author}, MIT licence"
version = release = neurodev.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_gallery.gen_gallery",
]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["_build", "_examples"]
templates_path = ["_templates"]
myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 3
suppress_warnings: list[str] = []
nitpick_ignore = [("py:obj", "float_type")]  # an attribute that is a type: numpydoc takes its row for a link

# ------------------------------------------------------------------ names and docstrings
autosummary_generate = True
autosummary_imported_members = False
autosummary_context = {"members_of": names.members()}
autodoc_typehints = "none"  # numpydoc sections say types, with shapes and units
maximum_signature_line_length = 80
autodoc_member_order = "bysource"
numpydoc_show_class_members = False  # the template of classes lists what is the class's own
default_role = "code"  # a word in single backticks is a name of the code, not a link

# ------------------------------------------------------------------ the gallery
examples_of.write(HERE / "_examples")
sphinx_gallery_conf = {
    "examples_dirs": "_examples",
    "gallery_dirs": "gallery",
    "plot_gallery": False,  # shown, not run
    "filename_pattern": r"$^",
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "write_computation_times": False,
    "remove_config_comments": True,
    "within_subsection_order": "FileNameSortKey",
}

# ------------------------------------------------------------------ the page
html_theme = "pydata_sphinx_theme"
html_title = "neurodev"
html_static_path = ["_static"]
html_css_files = ["neurodev.css"]
html_show_sourcelink = False
html_copy_source = False
html_sidebars = {"index": [], "faq": []}
html_theme_options = {
    "logo": {"text": "neurodev"},
    "navbar_persistent": [],
    "navbar_end": ["search-button", "theme-switcher"],
    "header_links_before_dropdown": 10,
    "footer_start": ["copyright"],
    "footer_end": [],
    # programs beside each other, and tables of parameters, have the whole width
    "secondary_sidebar_items": dict.fromkeys(
        ("start/*", "how-to/*", "models/index", "explanation/*", "own/*", "proof/*", "reference/**", "faq"),
        ["page-toc"],
    ),
    "show_prev_next": False,
    "show_toc_level": 2,
}
pygments_style = "friendly"


def setup(app: Any) -> None:
    """Write the list of public names, and a page for each part, before sphinx looks for pages."""
    app.connect("config-inited", lambda *_: names.write(HERE / "reference" / "api.rst"))
    app.connect("config-inited", lambda *_: model_pages.write(HERE / "models" / "made"))
