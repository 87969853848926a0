"""List files: one utterance a line.

``wav.scp``, ``.txt`` and ``.text`` hold ``key value`` or just ``value`` in each line, ``.jsonl``
an object with ``source`` and perhaps ``key``; this is how FunASR's ``prepare_data_iterator`` reads
them. ``.json`` may hold either form, or one array of such objects or of strings.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from safeasr.errors import AudioError, DeadlineExceededError
from safeasr.inputs.decoders import shorten
from safeasr.inputs.download import DEFAULT_MAX_BYTES, DEFAULT_TIMEOUT_S, download, is_url, url_path

__all__ = ["LIST_EXTENSIONS", "read_list"]

#: Endings of list files, in lower case.
LIST_EXTENSIONS: Final = (".scp", ".txt", ".text", ".json", ".jsonl")

_Entry = tuple[str | None, str]


def read_list(
    path: str,
    *,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    max_bytes: int = DEFAULT_MAX_BYTES,
    deadline: float | None = None,
) -> list[_Entry]:
    """The entries of a list file, in order; blank lines are skipped.

    Args:
        path: a path or an http(s) URL.
        timeout_s: time limit of the download, in seconds.
        max_bytes: size limit of the download, in bytes.
        deadline: time of the monotonic clock by which it must have come; None: no limit.

    Returns:
        ``(key, value)`` per entry, key None where the file gives none. Values are paths as they
        stand in the file (relative to the working directory), URLs, or text.

    Raises:
        AudioError: if the file cannot be read, is not UTF-8, or a line is malformed.
        DeadlineExceededError: if the deadline passed.
    """
    shown = shorten(path)
    try:
        if is_url(path):
            data = download(path, timeout_s=timeout_s, max_bytes=max_bytes, deadline=deadline)
        else:
            data = Path(path).read_bytes()
        # "utf-8-sig": a byte-order mark must not become part of the first key.
        text = data.decode("utf-8-sig")
    except DeadlineExceededError:
        raise
    except UnicodeDecodeError as error:
        raise AudioError(f"list file {shown} is not UTF-8 text: {error}") from error
    except OSError as error:
        raise AudioError(f"list file {shown} cannot be read: {error.strerror}") from error

    name = (url_path(path) if is_url(path) else path).lower()
    if name.endswith(".json"):
        whole = _whole_document(text)
        if whole is not None:
            return [_json_entry(one, f"{shown}, entry {i}") for i, one in enumerate(whole, 1)]
    entries = []
    # Not splitlines(): that also breaks at separators which may stand in a name.
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for number, line in enumerate(map(str.strip, lines), 1):
        if not line:
            continue
        if name.endswith(".jsonl") or (name.endswith(".json") and line.startswith("{")):
            entries.append(_json_line(line, f"{shown}, line {number}"))
        else:
            first, *rest = line.split(maxsplit=1)
            entries.append((first, rest[0]) if rest else (None, first))
    return entries


def _whole_document(text: str) -> list[Any] | None:
    """The items of a file that is one JSON document; None if it is not one."""
    try:
        document = json.loads(text)
    except ValueError:
        return None
    if isinstance(document, list):
        return document
    return [document] if isinstance(document, dict) else None


def _json_line(line: str, where: str) -> _Entry:
    try:
        value = json.loads(line)
    except ValueError as error:
        raise AudioError(f"list file {where}: not JSON: {error}") from error
    return _json_entry(value, where)


def _json_entry(value: Any, where: str) -> _Entry:
    if isinstance(value, str):
        return None, value
    source = value.get("source") if isinstance(value, dict) else None
    if not isinstance(source, str):
        raise AudioError(
            f'list file {where}: expected an object whose "source" is a path or URL, '
            f"got {shorten(json.dumps(value, ensure_ascii=False))}"
        )
    key = value.get("key")
    return (None if key is None else str(key)), source
