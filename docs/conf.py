"""The documentation site: Markdown pages, the API from docstrings, the commands from their own help."""

from __future__ import annotations

import os

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from rotary_mae import __version__

# help is laid out for the width of the terminal
os.environ["COLUMNS"] = "100"

project = "rotary-mae"
author = "the rotary-mae contributors"
release = version = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
suppress_warnings = ["config.cache"]

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # docstrings say shapes and units, which types do not
napoleon_numpy_docstring = False
# as lists, since one entry may name two: "rope_base, rope_fraction: ..."
napoleon_use_param = False
napoleon_custom_sections = [("Attributes", "params_style")]

html_theme = "furo"
html_title = f"rotary-mae {release}"
html_copy_source = False


class CommandHelp(SphinxDirective):
    """``{command-help}``: what ``romae COMMAND --help`` says, for every command."""

    def run(self) -> list[nodes.Node]:
        """A section a command."""
        from rotary_mae.cli.parser import COMMANDS, make_parser

        found: list[nodes.Node] = []
        for command, (_, summary) in COMMANDS.items():
            section = nodes.section(ids=[f"romae-{command}"])
            section += nodes.title(text=f"romae {command}")
            section += nodes.paragraph(text=f"{summary[0].upper()}{summary[1:]}.")
            text = make_parser(command).format_help()
            section += nodes.literal_block(text, text, language="text")
            found.append(section)
        return found


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.add_directive("command-help", CommandHelp)
