"""``python -m driftline_processor`` is `driftline`."""

import sys

from .cli import main

sys.exit(main())
