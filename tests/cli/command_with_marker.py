"""The command, after a file named by the rank of the process: ``-m tests.cli.command_with_marker FOLDER COMMAND ...``.

The files show how many processes a launcher started.
"""

import os
import sys
from pathlib import Path

from rotary_mae.cli.__main__ import script

if __name__ == "__main__":
    folder = Path(sys.argv.pop(1))
    (folder / f"rank-{os.environ.get('RANK', 'none')}").touch()
    script()
