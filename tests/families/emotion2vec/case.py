"""emotion2vec, for the suites that take every family."""

from __future__ import annotations

from functools import partial

from support.cases import FamilyCase
from support.emotion import write_emotion_dir

CASE = FamilyCase(
    name="emotion2vec",
    model_class="Emotion2vec",
    shapes={
        "with labels": write_emotion_dir,
        "embeddings only": partial(write_emotion_dir, labels=()),
        # Heads that are no power of two, of which some do not care for distance; scales of every
        # block; kernels of an even number of frames, and groups that fill no vector.
        "odd": partial(
            write_emotion_dir,
            model={"embed_dim": 48, "num_heads": 6, "normalize": False},
            audio={
                "num_alibi_heads": 3,
                "learned_alibi_scale_per_layer": True,
                "learned_alibi_scale_per_head": False,
                "conv_pos_width": 24,
                "conv_pos_groups": 6,
                "conv_pos_depth": 4,
                "prenet_depth": 2,
            },
        ),
        "without distances": partial(
            write_emotion_dir, model={"depth": 2}, audio={"use_alibi_encoder": False}
        ),
    },
    calls=[{}, {"granularity": "frame"}, {"extract_embedding": False}],
    lengths=(0.03, 0.3, 0.7, 1.5, 1.5, 1.9, 2.4, 4.1),
    shortest=0.026,
    encoder=False,
)
