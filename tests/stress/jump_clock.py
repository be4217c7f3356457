"""A clock that jumps by decades, there and back: every command ends as with a sound clock.

    python tests/stress/jump_clock.py 12 [first seed] [case ...]

The commands of `kill_anywhere.py`, each disturbed from its beginning to its end. Wants a C compiler.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from cut_anywhere import preload
from kill_anywhere import Case, Kills, main


class Jumps(Kills):
    """Commands whose clock jumps."""

    def disturb(self, case: Case, chance: random.Random) -> None:
        out = self.out(case, "killed")
        jumping = replace(case, environment={**case.environment, "DRAI_JUMP": "1"})
        code = self.run_one(jumping, out)
        assert code == 0, f"exit code {code}: {self.said()}"
        self.compare(case, out)
        code = self.run_one(jumping, out)  # of what is done
        assert code == 0 or (code == 6 and case.may_be_there), f"again, exit code {code}: {self.said()}"
        self.counts.setdefault(case.name, Counter())["jumped"] += 1


if __name__ == "__main__":
    preload("jump_clock")
    sys.exit(main(Jumps))
