"""`python -m mnist_sweep`, and the console script."""

import sys

from mnist_sweep.system.interpreter import search_path

sys.path[:] = search_path()

from mnist_sweep.cli.main import main  # noqa: E402  before this the current folder must be shut out

if __name__ == "__main__":
    main()
