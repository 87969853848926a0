"""The rules for encrypted connections, the same for HTTP and websockets."""

from __future__ import annotations

import ssl

from safeasr.bench.targets.failures import RequestError

__all__ = ["certificate_error", "tls"]


def tls(insecure: bool) -> ssl.SSLContext:
    """The rules for encrypted connections.

    Who may sign certificates is the system's choice; the environment's ``SSL_CERT_FILE`` and
    ``SSL_CERT_DIR`` name others.

    Args:
        insecure: certificates go unchecked.
    """
    context = ssl.create_default_context()
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def certificate_error(reason: object) -> RequestError:
    """A server's certificate was refused; says what one can do.

    Args:
        reason: OpenSSL's words.
    """
    return RequestError(
        "certificate",
        f"{reason}. If an authority of your own signed it, set SSL_CERT_FILE to that authority's "
        "certificate; --insecure checks none",
    )
