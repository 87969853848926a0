"""What a server says of itself at `/metrics`, in Prometheus' text format."""

from __future__ import annotations

import importlib
import importlib.util
import math
import re
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from safeasr.bench.targets.base import Options
from safeasr.bench.targets.tls import tls

__all__ = ["MetricsPage", "origin", "parse"]

#: How long a look may take, in s: a figure that comes later belongs to another second.
LOOK_S = 2.0
_BUCKET: Final = re.compile(r'\w+_bucket\{(.*,)?le="')
KINDS = frozenset({"counter", "gauge", "unknown"})


def origin(url: str) -> str:
    """Scheme and host of a URL, for HTTP: ``wss://host:1/x`` gives ``https://host:1``."""
    parts = urlsplit(url)
    scheme = {"ws": "http", "wss": "https"}.get(parts.scheme, parts.scheme)
    return f"{scheme}://{parts.netloc.rpartition('@')[2]}"


def parse(text: str) -> dict[str, float]:
    """Gauges and counters of a page, each summed over its labels.

    Raises:
        ImportError: prometheus_client is not installed.
        ValueError: it is no such page.
    """
    parser = importlib.import_module("prometheus_client.parser")
    sums: dict[str, float] = {}
    # Most of a page is the buckets of histograms. To parse them would hold up the loop that sends
    # requests for milliseconds.
    text = "".join(one for one in text.splitlines(True) if not _BUCKET.match(one))
    for family in parser.text_string_to_metric_families(text):
        if family.type not in KINDS:
            continue
        for sample in family.samples:
            if not sample.name.endswith("_created") and math.isfinite(sample.value):
                sums[sample.name] = sums.get(sample.name, 0.0) + sample.value
    return sums


class MetricsPage:
    """The page of one server; looked at once to see whether there is one."""

    def __init__(self, url: str, options: Options) -> None:
        """Of the server that `url` belongs to."""
        self._url = f"{origin(url)}/metrics"
        self._options = options
        self._client: httpx.AsyncClient | None = None

    async def open(self) -> dict[str, Any]:
        """See whether there is one.

        Returns:
            for the target's description: where it is, or why there is none.
        """
        self._client = httpx.AsyncClient(
            verify=tls(self._options.insecure),
            headers=self._options.headers,
            timeout=LOOK_S,
            trust_env=False,
        )
        try:
            answer = await self._client.get(self._url)
            if answer.status_code != httpx.codes.OK:
                reason = f"none (HTTP {answer.status_code})"
            elif importlib.util.find_spec("prometheus_client") is None:
                reason = "not read: pip install prometheus-client"
            elif not parse(answer.text):
                reason = "none (an empty page)"
            else:
                return {"metrics": self._url}
        except (httpx.HTTPError, ValueError) as error:
            reason = f"none ({type(error).__name__})"
        await self.close()
        return {"metrics": reason}

    async def read(self) -> dict[str, float]:
        """What it says now; {} if there is none or it does not answer in time."""
        if self._client is None:
            return {}
        try:
            answer = await self._client.get(self._url)
            return parse(answer.text) if answer.status_code == httpx.codes.OK else {}
        except (httpx.HTTPError, ValueError):
            return {}

    async def close(self) -> None:
        """Let go of the connection."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()
