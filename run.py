"""The command: `python run.py serve`. See `python run.py --help`."""

import sys

from app.cli import main

if __name__ == "__main__":
    sys.exit(main())
