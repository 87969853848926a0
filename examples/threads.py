"""One model, many threads: python examples/threads.py [AUDIO...]."""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from safeasr import AutoModel

with AutoModel(model="demo", disable_pbar=True) as model, ThreadPoolExecutor(16) as pool:
    files = sys.argv[1:] or sorted(map(str, Path(model.model_path).glob("audio/*.flac")))
    for (result,) in pool.map(model.generate, files):
        print(result["key"], result["text"])
