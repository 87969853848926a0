"""Groups of alike embeddings: a group is a speaker.

The rules of FunASR (``models/campplus/cluster_backend.py``) on scipy, scikit-learn and umap-learn,
but with a random generator of each call's own: the same recording has the same speakers whatever
else runs.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import importlib.util
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from safeasr.errors import UnsupportedModelError
from safeasr.speakers.eigenvectors import eigenvectors

__all__ = ["MANY", "MERGE_ABOVE", "import_libraries", "require_libraries", "speakers_of"]

Embeddings = NDArray[np.float32]
Labels = NDArray[np.int64]

#: Groups whose centres are as alike as that are one speaker, where nobody says how many there are.
MERGE_ABOVE: Final = 0.78
#: Fewer windows are all of one speaker.
_FEWEST: Final = 20
#: From so many windows on, all pairs of them are too many: it takes long, and numba, beneath UMAP,
#: ends the process where two threads use it at a time.
MANY: Final = 2048
#: How many of very many windows are mapped to find the groups, at most: memory and time are those
#: of a recording of about two hours, however long it is.
_DECIDING: Final = 8192
#: How many neighbours of each of these UMAP looks at, itself among them.
_NEIGHBOURS: Final = 20
#: Room for the distances among which they are looked for, block by block.
_PAIRS_MIB: Final = 16
_MOST_SPEAKERS: Final = 15
#: Of a window's similarities the share that is kept, and how many at least.
_KEPT_SHARE: Final = 0.022
_KEPT_AT_LEAST: Final = 6
_SEED: Final = 0
_LATE: Final = ("scipy.linalg", "sklearn.cluster", "sklearn.metrics.pairwise")
_LIBRARIES: Final = {"scipy": "scipy", "sklearn": "scikit-learn", "umap": "umap-learn"}


def require_libraries() -> None:
    """Raise UnsupportedModelError if something that :func:`speakers_of` needs is not installed."""
    missing = [name for module, name in _LIBRARIES.items() if not importlib.util.find_spec(module)]
    if missing:
        raise UnsupportedModelError(
            f"spk_model= needs {', '.join(missing)}: pip install 'safeasr[spk]'"
        )


def import_libraries() -> None:
    """Import now what :func:`speakers_of` would import when it is first called.

    That takes a second, and some of it holds up all threads of the program. But for umap, which is
    large, and needed for recordings of half an hour and more only.
    """
    for module in _LATE:
        importlib.import_module(module)


def speakers_of(embeddings: Embeddings, count: int | None, merge_above: float) -> Labels:
    """A speaker's number for each embedding.

    Args:
        embeddings: (windows, size).
        count: how many speakers there are; None: to be found out. Never more than windows. Under
            20 windows are one speaker's whatever it says, as in FunASR.
        merge_above: cosine from which on groups are put together, unless ``count`` is given.

    Of :data:`MANY` embeddings and more, one call at a time.

    Returns:
        (windows,); -1 stands for whoever is in no group.
    """
    windows = len(embeddings)
    if windows < _FEWEST:
        return np.zeros(windows, np.int64)
    if count is not None:
        count = min(count, windows)
    if windows < MANY:
        labels = _spectral(embeddings, count)
    elif count is not None:
        labels = _k_means(embeddings, count)
    else:
        labels = _by_density(embeddings)
    return labels if count is not None else _merged(labels, embeddings, merge_above)


def _spectral(embeddings: Embeddings, count: int | None) -> Labels:
    """By the graph of the windows that are most alike."""
    from sklearn.cluster import k_means
    from sklearn.metrics.pairwise import cosine_similarity

    alike = cosine_similarity(embeddings)
    windows = len(alike)
    share = _KEPT_SHARE
    if windows * share < _KEPT_AT_LEAST:
        share = _KEPT_AT_LEAST / windows
    dropped = np.argsort(alike, axis=1)[:, : int((1 - share) * windows)]
    np.put_along_axis(alike, dropped, 0, axis=1)
    alike = 0.5 * (alike + alike.T)
    np.fill_diagonal(alike, 0)
    laplacian = np.diag(np.abs(alike).sum(axis=1)) - alike
    values, vectors = eigenvectors(laplacian)
    if count is None:
        gaps = np.diff(values[: _MOST_SPEAKERS + 1].astype(np.float64))
        count = int(np.argmax(gaps)) + 1
    _, labels, _ = k_means(vectors[:, :count], count, random_state=_SEED)
    return np.asarray(labels, np.int64)


def _k_means(embeddings: Embeddings, count: int) -> Labels:
    """By directions, in memory that grows with the windows only."""
    from sklearn.cluster import k_means
    from sklearn.preprocessing import normalize

    _, labels, _ = k_means(normalize(embeddings), count, random_state=_SEED, n_init=10)
    return np.asarray(labels, np.int64)


def _by_density(embeddings: Embeddings) -> Labels:
    """By how densely they lie; of very many some decide, the others go to the nearest centre."""
    _return_free_memory()
    step = -(-len(embeddings) // _DECIDING)
    decided = _densest(embeddings[::step])
    groups = np.unique(decided[decided >= 0])
    labels = np.full(len(embeddings), -1)
    if step > 1 and len(groups):
        centres = _centres(embeddings[::step], decided, groups)
        labels = groups[np.argmax(embeddings @ centres.T, axis=1)]
    labels[::step] = decided
    return labels


def _return_free_memory() -> None:
    """To the system: what was freed while the recording was read, in the heaps of all threads.

    Ten hours leave about 70 MB, which the thread that clusters could not use.
    """
    with contextlib.suppress(AttributeError):  # a C library that has no such thing
        ctypes.CDLL(None).malloc_trim(0)


def _densest(embeddings: Embeddings) -> Labels:
    """By how densely they lie once they are mapped to fewer dimensions."""
    from sklearn.cluster import HDBSCAN
    from umap import UMAP

    mapped: Any = UMAP(
        n_neighbors=_NEIGHBOURS,
        min_dist=0.0,
        n_components=min(60, len(embeddings) - 2),
        metric="cosine",
        random_state=_SEED,
        n_jobs=1,
        precomputed_knn=_neighbours(embeddings),
    ).fit_transform(embeddings)
    found = HDBSCAN(min_samples=10, min_cluster_size=10, allow_single_cluster=True, copy=True)
    return np.asarray(found.fit_predict(mapped), np.int64)


def _neighbours(embeddings: Embeddings) -> tuple[NDArray[np.int64], Embeddings, Any]:
    """What UMAP would find itself, from all pairs: each one's neighbours, the nearest first.

    Up to 4095 UMAP holds the distances of all pairs, 134 MB; beyond that it approximates, by code
    of 150 MB that numba first compiles for half a minute.

    Returns:
        Numbers and distances, (windows, _NEIGHBOURS), each one itself first; and in place of the
        index to find those of others, which UMAP would miss, one that holds nothing.
    """
    from pynndescent import NNDescent
    from sklearn import config_context
    from sklearn.neighbors import NearestNeighbors

    found = NearestNeighbors(n_neighbors=_NEIGHBOURS - 1, metric="cosine").fit(embeddings)
    with config_context(working_memory=_PAIRS_MIB):
        distances, numbers = found.kneighbors()
    themselves = np.arange(len(embeddings))
    return (
        np.column_stack([themselves, numbers]),
        np.column_stack([np.zeros(len(embeddings)), distances]).astype(np.float32),
        NNDescent.__new__(NNDescent),
    )


def _merged(labels: Labels, embeddings: Embeddings, above: float) -> Labels:
    """The groups whose centres are most alike put together, pair by pair."""
    while len(groups := np.unique(labels[labels >= 0])) > 1:
        centres = _centres(embeddings, labels, groups)
        alike = np.triu(centres @ centres.T, 1)
        kept, dropped = np.unravel_index(np.argmax(alike), alike.shape)
        if alike[kept, dropped] < above:
            break
        labels = np.where(labels == groups[dropped], groups[kept], labels)
    return labels


def _centres(embeddings: Embeddings, labels: Labels, groups: Labels) -> Embeddings:
    """The direction of each group's mean: (groups, size)."""
    return _directions(np.stack([embeddings[labels == group].mean(axis=0) for group in groups]))


def _directions(vectors: Embeddings) -> Embeddings:
    """Each row with a length of 1."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, np.finfo(np.float32).tiny), np.float32)
