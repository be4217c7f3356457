"""What `--quick` leaves out or makes smaller, besides the options in `QUICK`: the page says it.

Sizes are those that a first look needs: an interval of a share over 400 images is one and a half times as wide as over
900. Knows nothing of how parts are measured.
"""

from __future__ import annotations

POOL = 500
"""Most synthetic images of a label for usefulness."""
PROBE_ROWS = 1500
"""Training images whose codes the probes of labels in codes are fitted on."""
UNSEEN = 400
"""Unseen real images, about, that privacy compares training images with."""
LEFT_OUT = ("conditions",)
"""Parts that are left out unless --metrics names them."""
ADD = "--quick leaves it out: name it with --metrics, or repeat without --quick"
"""Why such a part has no numbers."""
SELECTED = "selected samples: --quick leaves them out"
LEAVES_OUT = "; ".join(
    (
        "conditions",
        "training on selected samples",
        f"of the images that privacy compares with, those beyond about {UNSEEN}, so that rare labels may lack numbers",
        f"of the training images for the label in codes, those beyond {PROBE_ROWS:,}; shuffled labels",
        f"of the synthetic images of a label for usefulness, those beyond {POOL}",
    )
)
"""For the report's settings."""
