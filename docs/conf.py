"""Configuration of the documentation site: Markdown pages, API from docstrings, commands from their help."""

from __future__ import annotations

import os

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from rotary_mae import __version__

# argparse wraps help at the width of the terminal
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
# docstrings have types with shapes and units, which annotations lack
autodoc_typehints = "none"
napoleon_google_docstring = False
napoleon_numpy_docstring = True
# one entry may have several names, such as "low, high : array"
napoleon_use_param = False
# fields of dataclasses are documented as attributes and need no entries of their own
napoleon_use_ivar = True

html_theme = "furo"
html_title = f"rotary-mae {release}"
html_copy_source = False


class CommandHelp(SphinxDirective):
    """Directive ``{command-help}``: the output of ``romae COMMAND --help`` for every command."""

    def run(self) -> list[nodes.Node]:
        """Return one section for each command."""
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
    """Register the directive."""
    app.add_directive("command-help", CommandHelp)
