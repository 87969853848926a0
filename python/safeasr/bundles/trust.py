"""Which bundles may be loaded: programs can do what a process can do.

A program is TorchScript, and an archive of it may run operations while it is loaded. Nothing in a
bundle says who made it, so this machine's user keeps a record: the digest of each bundle that was
exported here. A bundle's digest covers all of its files, so a copy is known wherever it lies, and
one that somebody changed is not.
"""

from __future__ import annotations

import re
from pathlib import Path

from safeasr.bundles.bundle import Bundle
from safeasr.bundles.digests import write_new
from safeasr.errors import UntrustedBundleError

__all__ = ["is_trusted", "record_trust", "require_trust"]

_DIGEST = re.compile(r"[0-9a-f]{64}")


def record_trust(bundle: Bundle, root: Path) -> None:
    """Note that this bundle may be loaded.

    Args:
        bundle: one that was exported here, or that its user vouches for.
        root: the cache.

    Raises:
        OSError: if the cache cannot be written.
    """
    place = root / "trusted"
    place.mkdir(parents=True, exist_ok=True)
    write_new(place / bundle.digest, b"")


def is_trusted(bundle: Bundle, root: Path) -> bool:
    """Whether a bundle lies in the cache or was exported with it.

    Args:
        bundle: as :func:`safeasr.bundles.bundle.read_bundle` gives it: its digest is right.
        root: the cache.
    """
    try:
        if bundle.path.resolve().parent == (root / "bundles").resolve():
            return True
        return (
            bool(_DIGEST.fullmatch(bundle.digest)) and (root / "trusted" / bundle.digest).is_file()
        )
    except OSError:
        return False


def require_trust(bundle: Bundle, root: Path) -> None:
    """Refuse a bundle that was not exported here.

    Raises:
        UntrustedBundleError: saying what to do.
    """
    if not is_trusted(bundle, root):
        raise UntrustedBundleError(
            f"the bundle {bundle.path} was not exported with this cache ({root}), and a bundle "
            "holds programs, which run with your rights. If you trust whoever made it: "
            "trust_remote_code=True, or once and for all `safeasr trust`. Otherwise load the "
            "FunASR model that it was made from"
        )
