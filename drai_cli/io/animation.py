"""Animations as files: GIF by Pillow, MP4 by PyAV (an extra)."""

from __future__ import annotations

import io
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from jaxtyping import UInt8
from PIL import Image as PillowImage

from drai_cli.errors import UsageError

_CODECS = ("libx264", "libopenh264", "mpeg4")
_LONGEST_FRAME_MS = 65_535 * 10


def encode_gif(
    frames: Sequence[UInt8[np.ndarray, "height width channels"]], fps: float, comment: str
) -> bytes:
    """A GIF that repeats without end; each frame has a palette of its own.

    Args:
        frames: uint8, grey or RGB, of one size.
        fps: Frames per second; GIF counts in hundredths of a second.
        comment: For its comment field.
    """
    pictures = [PillowImage.fromarray(frame[..., 0] if frame.shape[2] == 1 else frame) for frame in frames]
    duration_ms = min(_LONGEST_FRAME_MS, max(10, round(100 / fps) * 10))
    file = io.BytesIO()
    pictures[0].save(
        file, "GIF", save_all=True, append_images=pictures[1:], duration=duration_ms, loop=0,
        comment=comment.encode("ascii", "replace"), disposal=1,
    )  # fmt: skip
    return file.getvalue()


def encode_mp4(
    frames: Sequence[UInt8[np.ndarray, "height width channels"]], fps: float, comment: str
) -> bytes:
    """An MP4 for common players: H.264 where PyAV has an encoder, yuv420p, even sides.

    Raises:
        UsageError: PyAV is not installed.
    """
    try:
        import av
    except ImportError as error:
        raise UsageError(
            ".mp4", "needs PyAV, which is not installed", "pip install 'drai-cli[video]', or --out walk.gif"
        ) from error
    codec = next(name for name in _CODECS if name in av.codecs_available)
    height, width = (side - side % 2 for side in frames[0].shape[:2])
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        container.metadata["comment"] = comment
        stream = container.add_stream(codec, rate=Fraction(fps).limit_denominator(1000))
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for frame in frames:
            colour = np.repeat(frame, 3, 2) if frame.shape[2] == 1 else frame
            even = np.ascontiguousarray(colour[:height, :width])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(even, format="rgb24")))
        container.mux(stream.encode(None))
    return file.getvalue()
