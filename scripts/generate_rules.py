"""Write otel-config/driftline.rules.yml, the rules for any model, as the package of `driftline rules` has them.

python scripts/generate_rules.py            write the file
python scripts/generate_rules.py --check    exit 1 where it differs
"""

from __future__ import annotations

import sys
from pathlib import Path

from driftline_processor.alert_rules.files import ANY_MODEL, rules_of_any_model

RULES = Path(__file__).resolve().parents[1] / "otel-config" / ANY_MODEL


def main(arguments: list[str]) -> int:
    """Write or check the file; return the exit code."""
    text = rules_of_any_model()
    if RULES.exists() and RULES.read_text(encoding="utf-8") == text:
        return 0
    if "--check" in arguments:
        print(f"otel-config/{ANY_MODEL} is not what the package has; run: python scripts/generate_rules.py")
        return 1
    RULES.write_text(text, encoding="utf-8")
    print(f"wrote otel-config/{ANY_MODEL}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
