"""Command ``python -m rotary_mae.prior OUT.png``: a picture of every family of the prior."""

from __future__ import annotations

import argparse
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw the gallery into the file that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m rotary_mae.prior", description="Draw a gallery of the prior.")
    parser.add_argument("out", help="picture to write, for example gallery.png")
    parser.add_argument("--seed", type=int, default=0, help="seed of the draws (default: 0)")
    given = parser.parse_args(arguments)
    # matplotlib takes a second to import: not for --help
    from rotary_mae.prior.gallery import draw_gallery

    draw_gallery(given.out, given.seed)
    print(f"wrote {given.out}")


if __name__ == "__main__":
    main()
