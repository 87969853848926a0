# SPDX-License-Identifier: Apache-2.0
"""Turns the offline demo model into the streaming one by training it on chunks.

    python -m training.demo.train_streaming --out DIR --init python/safeasr/models/demo \
        [--real-digits FSDD_FOLDER_OR_TAR]

Takes the options of training.demo.train. `--init` is an offline model directory
or one that this script wrote; the vocabulary and the sizes stay the same.
"""

from __future__ import annotations

import torch
import yaml
from funasr.frontends.wav_frontend import load_cmvn

from . import synthesis
from .evaluate import TEST_SEED, measure
from .model import write_directory
from .streaming import build_streaming, stream_error, streaming_config, with_lead_in
from .train import arguments, history, make_corpora, train


def main() -> None:
    """Make the data, train, measure, and write the model directory."""
    parser = arguments(__doc__.split("\n", maxsplit=1)[0])
    parser.set_defaults(learning_rate=6e-4, epochs=8, utterances=8000, seed=2)
    args = parser.parse_args()
    if args.init is None:
        parser.error("--init is needed: training chunks from nothing takes far longer")
    torch.set_num_threads(args.threads)
    real = synthesis.load_real_digits(args.real_digits) if args.real_digits else {}
    corpus, dev = make_corpora(args, real)
    cmvn = tuple(load_cmvn(args.init / "am.mvn"))
    write_directory(args.out, cmvn, streaming_config())
    torch.manual_seed(args.seed)
    before = yaml.safe_load((args.init / "config.yaml").read_text(encoding="utf-8"))
    model = build_streaming(args.init, from_offline=before["model"] == "Paraformer")
    with_lead_in(model)
    run = train(args, model, corpus, dev, cmvn, stream_error) | history(args, corpus)
    measure(args.out, TEST_SEED, args.test_utterances, real, args.held_out_speaker, run)


if __name__ == "__main__":
    main()
