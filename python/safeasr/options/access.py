"""Which files and addresses a model may open: the switches of whoever runs a service."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from safeasr.errors import NotAllowedError, OptionError

__all__ = ["ANYTHING", "Access", "access", "is_address"]

#: Options of a call whose values name files that are read or written.
_FILE_OPTIONS: Final = ("output_dir", "postprocess_hotword_file", "lm_file")
#: Options of a call that are words, or name a file or URL of words.
_MAYBE_FILE_OPTIONS: Final = ("hotword", "hotwords")
#: IPv6 addresses that lead to IPv4 ones: the last 32 bits are those.
_TRANSLATED: Final = ipaddress.ip_network("64:ff9b::/96")


@dataclass(frozen=True)
class Access:
    """What inputs and options of calls may name.

    Attributes:
        urls: True: any URL; False: none; "public": hosts on the public internet only; otherwise
            these hosts only, in lower case; one that begins with a dot stands for all below it.
        paths: files, by their names.
    """

    urls: bool | str | tuple[str, ...] = True
    paths: bool = True

    @property
    def public_only(self) -> bool:
        """Whether addresses of private networks are refused."""
        return self.urls == "public"

    @property
    def any_url(self) -> bool:
        """Whether there is a URL that may be named."""
        return self.urls not in (False, ())

    def require_path(self, what: str) -> None:
        """Raise NotAllowedError if files may not be named; ``what`` says what named one."""
        if not self.paths:
            raise NotAllowedError(
                f"{what}: this model takes no paths of files (allow_paths=False); pass the bytes, "
                "or an open file"
            )

    def require_urls(self, what: str) -> None:
        """Raise NotAllowedError if no URL may be named; ``what`` says what named one."""
        if not self.any_url:
            raise NotAllowedError(f"{what}: this model takes no URLs (allow_urls=False)")

    def require_host(self, host: str, what: str) -> None:
        """Raise NotAllowedError if nothing may be fetched from a host."""
        self.require_urls(what)
        if isinstance(self.urls, tuple):
            name = host.lower().rstrip(".")
            if not any(name == one or (one[0] == "." and name.endswith(one)) for one in self.urls):
                raise NotAllowedError(f"{what}: its host is not among those of allow_urls")

    def require_address(self, address: str, what: str) -> None:
        """Raise NotAllowedError if no connection may be made to an IP address."""
        if self.public_only and not _is_public(address):
            raise NotAllowedError(
                f"{what}: its host has an address that is not public (allow_urls='public')"
            )

    def require_options(self, given: Mapping[str, Any]) -> None:
        """Raise NotAllowedError if an option of a call names a file or URL that it may not."""
        for name in _FILE_OPTIONS:
            if given.get(name) is not None:
                self.require_path(f"the option {name}")
        for name in _MAYBE_FILE_OPTIONS:
            value = given.get(name)
            if isinstance(value, os.PathLike):
                self.require_path(f"the option {name}")
            elif isinstance(value, str):
                if value.lstrip().lower().startswith(("http://", "https://")):
                    self.require_urls(f"the option {name}")
                elif value.rstrip().lower().endswith(".txt"):
                    self.require_path(f"the option {name}")


#: No limits: the default.
ANYTHING: Final = Access()


def is_address(host: str) -> bool:
    """Whether a host is given by its IP address."""
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def _is_public(address: str) -> bool:
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if inner is None and ip in _TRANSLATED:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            ip = inner
    return ip.is_global and not ip.is_multicast


def access(allow_urls: Any, allow_paths: Any) -> Access:
    """The switches as ``AutoModel`` takes them.

    Raises:
        OptionError: for a value that they cannot have.
    """
    if not isinstance(allow_paths, bool):
        raise OptionError(f"allow_paths must be True or False, got {allow_paths!r}")
    if isinstance(allow_urls, bool) or allow_urls == "public":
        return Access(allow_urls, allow_paths)
    hosts = allow_urls if isinstance(allow_urls, (list, tuple, set, frozenset)) else (None,)
    if not all(isinstance(one, str) and one.strip(".") and "/" not in one for one in hosts):
        raise OptionError(
            "allow_urls must be True, False, 'public', or a list of host names such as "
            f"['audio.example.com', '.example.org'], got {allow_urls!r}"
        )
    return Access(tuple(sorted(one.lower().rstrip(".") for one in hosts)), allow_paths)
