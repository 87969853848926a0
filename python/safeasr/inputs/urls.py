"""URLs as people write them: told from paths, named, shown without what is secret in them."""

from __future__ import annotations

import os
import re
import urllib.parse
from typing import TYPE_CHECKING, Final

from safeasr.errors import AudioError
from safeasr.printable import quoted

if TYPE_CHECKING:
    import httpx

__all__ = ["is_url", "parse_url", "shown_url", "url_path", "url_stem"]

_SCHEMES: Final = ("http://", "https://")
#: What a host and its port look like; anything else may be a password in the wrong place.
_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.%]*\]|[^\s:@\[\]]+)(:\d{1,5})?")


def is_url(text: str) -> bool:
    """Whether the text is meant as a URL that can be downloaded: http or https, in any case."""
    return text.lstrip()[: len("https://")].lower().startswith(_SCHEMES)


def _split(url: str) -> tuple[str, str, str]:
    """Scheme, authority, and path without query or fragment; of anything that begins as a URL."""
    scheme, _, rest = url.strip().partition("://")
    before_query = re.split(r"[?#]", rest, maxsplit=1)[0]
    authority, slash, path = before_query.partition("/")
    return scheme.lower(), authority, slash + path


def url_path(url: str) -> str:
    """The path of a URL, without query and with escapes resolved: its name and ending."""
    return urllib.parse.unquote(_split(url)[2])


def url_stem(url: str) -> str:
    """The file name in a URL without its ending: what results are keyed by.

    A name that holds line breaks or other control characters keeps its escapes: keys end up in
    logs and result files.
    """
    name = url_path(url)
    if not name.isprintable():
        name = _split(url)[2]
    return os.path.splitext(os.path.basename(name))[0]


def shown_url(url: str) -> str:
    """The URL in quotes for messages: no user, password or query, which may hold a token."""
    scheme, authority, path = _split(url)
    host = authority.rpartition("@")[2]
    if not _HOST.fullmatch(host) or "@" in path:
        # Such as "http://user:pass/word@host/": where the password ends is anybody's guess.
        return f"{scheme}://... (not shown: it may hold a password)"
    return quoted(f"{scheme}://{host}{path}")


def parse_url(url: str) -> httpx.URL:
    """The URL as it goes over the wire.

    Host names of any script, spaces and letters beyond ASCII in path and query, capitals in the
    scheme, and white space around it are fine, as they are for browsers.

    Raises:
        AudioError: if it is none, or of a scheme other than http and https.
    """
    import httpx

    shown = shown_url(url)
    scheme, separator, rest = url.strip().partition("://")
    end = re.search(r"[/?#]", rest)
    authority = rest[: end.start()] if end else rest
    # A per cent sign that begins no escape, and control characters: httpx refuses some of them.
    tail = re.sub(
        r"%(?![0-9A-Fa-f]{2})|[\x00-\x1f\x7f]",
        lambda found: f"%{ord(found[0]):02X}",
        rest[len(authority) :],
    )
    try:
        parsed = httpx.URL(f"{scheme}{separator}{_ascii_host(authority)}{tail}")
        host, port = parsed.host, parsed.port  # of which only some are looked at before
    # What these say may quote the URL.
    except (httpx.InvalidURL, ValueError, TypeError):
        parsed, host, port = None, "", None
    if parsed is None or parsed.scheme not in ("http", "https"):
        raise AudioError(f"download of {shown} failed: it is not a valid http or https URL")
    if not host or (port is not None and not 0 < port < 65536):
        raise AudioError(f"download of {shown} failed: the URL names no host, or no possible port")
    return parsed


def _ascii_host(authority: str) -> str:
    """User, host and port with the host in ASCII; raises ValueError if it cannot be.

    httpx translates such names too, but only in their canonical form: no capitals, no wide letters.
    """
    if authority.isascii():
        return authority
    import idna

    user, at, host = authority.rpartition("@")
    name, colon, port = host.partition(":")
    if not name.isascii():
        name = idna.encode(name, uts46=True).decode("ascii")
    return f"{user}{at}{name}{colon}{port}"
