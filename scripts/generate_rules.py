"""Write otel-config/driftline.rules.yml, the rules for any model, as the package of `driftline rules` has them.

python -m scripts.generate_rules            write the file
python -m scripts.generate_rules --check    exit 1 where it differs
"""

from __future__ import annotations

import sys

from driftline_processor.alert_rules.files import ANY_MODEL, rules_of_any_model

from scripts.generated import ROOT, write_or_check

RULES = ROOT / "otel-config" / ANY_MODEL


def main(arguments: list[str]) -> int:
    """Write or check the file; return the exit code."""
    return write_or_check({RULES: rules_of_any_model()}, "is not what the package has", __file__, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
