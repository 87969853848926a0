"""The rules for encrypted connections, the same for HTTP and websockets."""

from __future__ import annotations

import ssl

__all__ = ["tls"]


def tls(insecure: bool) -> ssl.SSLContext:
    """The rules for encrypted connections; `insecure`: certificates go unchecked."""
    context = ssl.create_default_context()
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
