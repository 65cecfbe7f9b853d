"""``python -m api_simulator.cli``: the command without its console script."""

import sys

from api_simulator.cli import main

sys.exit(main())
