"""Style measured on real images where no factors are known: skin colour, position and size of the lesion, light.

The baseline of the label-in-style probe, because real style may be related to the label. Knows nothing of models.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32

from drai_cli.metrics.mapping import Images
from drai_cli.metrics.swaps import frame_colour

NAMES = ("skin_red", "skin_green", "skin_blue", "x", "y", "radius", "light_x", "light_y")


def measured_style(images: Images) -> Float32[np.ndarray, "n measures"]:
    """Frame colour (one column per channel), lesion centre and radius in fractions of the frame, and the light's slope.

    The lesion is where the colour's distance from the frame's exceeds half its 98 % quantile in the image; the radius
    is that of a disc of equal area. The slopes are differences of the frame's brightness: right - left, bottom - top.
    """
    peak = float(np.iinfo(images.dtype).max)
    colour = frame_colour(images) / peak
    count, height, width, _ = images.shape
    rows, columns = np.arange(height) / height - 0.5, np.arange(width) / width - 0.5
    places = np.empty((count, 5))
    for index in range(count):
        image = images[index].astype(np.float32) / peak
        gap = np.abs(image - colour[index].astype(np.float32)).sum(-1)
        inside = gap > 0.5 * np.quantile(gap, 0.98)
        area = max(int(inside.sum()), 1)
        centre = (inside.sum(0) @ columns / area, inside.sum(1) @ rows / area)
        grey, band = image.mean(-1), max(height // 8, 1)
        across = grey[:, -band:].mean() - grey[:, :band].mean()
        down = grey[-band:].mean() - grey[:band].mean()
        places[index] = (*centre, np.sqrt(area / (height * width * np.pi)), across, down)
    return np.concatenate([colour, places], 1).astype(np.float32)
