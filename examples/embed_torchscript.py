"""Serve a TorchScript network of your own from many threads, batched by safeasr's engine.

    python examples/embed_torchscript.py

The network takes a padded batch (batch, time, size) and lengths (batch), and returns tensors whose
first dimension is the batch. Any such network will do; this one is a small speaker-embedding
net: mean and deviation over the frames of each utterance, then a projection.

``safeasr._ext`` is the engine itself. Its interface may change between minor versions.
"""

from __future__ import annotations

import os
import tempfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

import safeasr  # noqa: F401  (loads libtorch and checks that the extension fits)
from safeasr import _ext

FEATURES, EMBEDDING = 80, 192


class Embedder(torch.nn.Module):
    """Statistics pooling over the valid frames, and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.frames = torch.nn.Linear(FEATURES, 256)
        self.out = torch.nn.Linear(512, EMBEDDING)

    def forward(self, values: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """(B, T, 80), (B) -> (B, 192) of unit length. Padding must not count."""
        hidden = torch.relu(self.frames(values))
        valid = torch.arange(values.size(1), device=values.device)[None, :] < lengths[:, None]
        hidden = hidden * valid.unsqueeze(2)
        count = lengths[:, None].to(hidden.dtype)
        mean = hidden.sum(1) / count
        variance = (hidden * hidden).sum(1) / count - mean * mean
        pooled = torch.cat([mean, (variance.clamp(min=0) + 1e-5).sqrt()], dim=1)
        return torch.nn.functional.normalize(self.out(pooled), dim=1)


def main() -> None:
    """Save the network, load it into an engine, call it from 16 threads, compare with torch."""
    torch.manual_seed(0)
    network = Embedder().eval()
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "embedder.ts")
        torch.jit.script(network).save(path)
        program = _ext.Program.load(path)  # frozen, weights packed; the file is not needed again

    # At most 16 utterances or 4,000 padded frames together; no waiting for company.
    runner = _ext.TensorRunner(program, _ext.BatchLimits(max_requests=16, max_cost=4000))
    engine = _ext.Engine(num_workers=2, queue_size=256)

    random = np.random.default_rng(0)
    utterances = [
        random.standard_normal((int(frames), FEATURES), dtype=np.float32)
        for frames in random.integers(50, 400, 200)
    ]

    def embed(features: np.ndarray) -> np.ndarray:
        ticket = engine.submit_tensor(runner, features, terms=_ext.Terms(deadline_s=30.0))
        if not ticket.wait(30.0):
            raise TimeoutError("the engine did not answer")
        (embedding,) = ticket.get()  # raises what the network raised
        return embedding

    with ThreadPoolExecutor(16) as pool:
        embeddings = np.stack(list(pool.map(embed, utterances)))
    stats = engine.stats()
    engine.close()

    with torch.inference_mode():
        alone = torch.cat(
            [network(torch.from_numpy(u)[None], torch.tensor([len(u)])) for u in utterances]
        ).numpy()
    difference = float(np.abs(embeddings - alone).max())
    print(f"{stats['completed']} embeddings of {embeddings.shape[1]} values from 16 threads")
    print(f"{stats['batches']} batches; largest difference to torch alone: {difference:.1e}")
    if difference > 1e-4:
        raise SystemExit("the embeddings differ")


if __name__ == "__main__":
    main()
