"""Audio files of formats that soundfile cannot write."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np


def write_encoded(path: Path, wave: np.ndarray, rate: int) -> None:
    """Encode samples in the format of the file's name, by the codec that it usually holds."""
    with av.open(str(path), "w") as container:
        codec = {".webm": "libopus", ".wma": "wmav2"}.get(path.suffix, "aac")
        layout = "mono" if wave.ndim == 1 else "stereo"
        stream = container.add_stream(codec, rate=48000 if codec == "libopus" else rate)
        stream.codec_context.layout = layout
        stream.codec_context.bit_rate = 64000
        pcm = np.ascontiguousarray(wave.reshape(1, -1) * 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(pcm, format="s16", layout=layout)
        frame.sample_rate = rate
        for part in (frame, None):
            container.mux(stream.encode(part))
