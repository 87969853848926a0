"""List files: one utterance a line.

``wav.scp``, ``.txt`` and ``.text`` hold ``key value`` or just ``value`` in each line, ``.jsonl``
an object with ``source`` and perhaps ``key``; this is how FunASR's ``prepare_data_iterator`` reads
them. ``.json`` may hold either form, or one array of such objects or of strings.
"""

from __future__ import annotations

import json
import os
from typing import Any, Final

from safeasr.deadlines import require_time
from safeasr.errors import AudioError, NotAllowedError
from safeasr.inputs.download import DEFAULT_MAX_BYTES, DEFAULT_TIMEOUT_S, download
from safeasr.inputs.urls import is_url, shown_url, url_path
from safeasr.options.access import ANYTHING, Access
from safeasr.printable import quoted

__all__ = ["LIST_EXTENSIONS", "read_list", "require_urls_only"]

#: Endings of list files, in lower case.
LIST_EXTENSIONS: Final = (".scp", ".txt", ".text", ".json", ".jsonl")
#: Lines that are read between two looks at the deadline.
_LINES: Final = 1 << 12

#: Key or None, value.
Entry = tuple[str | None, str]


def read_list(
    path: str,
    *,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    max_bytes: int = DEFAULT_MAX_BYTES,
    deadline: float | None = None,
    access: Access = ANYTHING,
) -> list[Entry]:
    """The entries of a list file, in order; blank lines are skipped.

    Args:
        path: a path or an http(s) URL.
        timeout_s: time limit of the download, in seconds.
        max_bytes: size limit of the file, in bytes.
        deadline: time of the monotonic clock by which it must have been read; None: no limit.
        access: which hosts a URL may lead to.

    Returns:
        ``(key, value)`` per entry, key None where the file gives none. Values are paths as they
        stand in the file (relative to the working directory), URLs, or text.

    Raises:
        AudioError: if the file cannot be read, is too large or not UTF-8, or a line is malformed.
        DeadlineExceededError: if the deadline passed.
    """
    shown = shown_url(path) if is_url(path) else quoted(path)
    if is_url(path):
        name = url_path(path).lower()
        data = download(
            path, timeout_s=timeout_s, max_bytes=max_bytes, deadline=deadline, access=access
        )
    else:
        name = path.lower()
        data = _read_file(path, shown, max_bytes)
    problem = None
    try:
        # "utf-8-sig": a byte-order mark must not become part of the first key.
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        problem = f"byte {error.start} is {data[error.start]:#04x}"
    if problem is not None:
        # Raised here: the decoder's error holds the whole file.
        raise AudioError(f"list file {shown} is not UTF-8 text: {problem}")

    if name.endswith(".json"):
        whole = _whole_document(text, shown)
        if whole is not None:
            return [_json_entry(one, f"{shown}, entry {i}") for i, one in enumerate(whole, 1)]
    entries: list[Entry] = []
    # Not splitlines(): that also breaks at separators which may stand in a name.
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for number, line in enumerate(map(str.strip, lines), 1):
        if number % _LINES == 0:
            require_time(deadline)
        if not line:
            continue
        if name.endswith(".jsonl") or (name.endswith(".json") and line.startswith("{")):
            where = f"{shown}, line {number}"
            entries.append(_json_entry(_parsed(line, where), where))
        else:
            first, *rest = line.split(maxsplit=1)
            entries.append((first, rest[0]) if rest else (None, first))
    return entries


def require_urls_only(entries: list[Entry], url: str) -> None:
    """Check a list file that came from a URL: its author may not choose files of this machine.

    Raises:
        NotAllowedError: if an entry is no URL.
    """
    for number, (_, value) in enumerate(entries, 1):
        if not is_url(value):
            raise NotAllowedError(
                f"list file {shown_url(url)}, entry {number}: a list file from a URL may name URLs "
                f"only, got {quoted(value)}"
            )


def _read_file(path: str, shown: str, max_bytes: int) -> bytes:
    try:
        with open(path, "rb") as file:
            # Not read(max_bytes + 1): that takes as much memory first.
            size = os.fstat(file.fileno()).st_size
            data = file.read() if size <= max_bytes else b""
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        reason = getattr(error, "strerror", None) or "not a possible file name"
        raise AudioError(f"list file {shown} cannot be read: {reason}") from error
    if max(size, len(data)) > max_bytes:
        raise AudioError(f"list file {shown} is larger than {max_bytes} bytes")
    return data


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        # A decoder's error holds the whole text.
        reason = (
            f"{error.msg}, character {error.pos}"
            if isinstance(error, json.JSONDecodeError)
            else "a number has too many digits"
        )
    except RecursionError:
        reason = "it is nested too deeply"
    raise AudioError(f"list file {where}: not JSON: {reason}")


def _whole_document(text: str, shown: str) -> list[Any] | None:
    """The items of a file that is one JSON document; None if it is not one."""
    try:
        document = json.loads(text)
    except ValueError:
        return None
    except RecursionError:
        document = _TooDeep
    if document is _TooDeep:
        raise AudioError(f"list file {shown}: not JSON: it is nested too deeply")
    if isinstance(document, list):
        return document
    return [document] if isinstance(document, dict) else None


class _TooDeep:
    """In place of a document that cannot be read."""


def _json_entry(value: Any, where: str) -> Entry:
    if isinstance(value, str):
        return None, value
    source = value.get("source") if isinstance(value, dict) else None
    if not isinstance(source, str):
        raise AudioError(
            f'list file {where}: expected an object whose "source" is a path or URL, '
            f"got {_shown_value(value)}"
        )
    key = value.get("key")
    if key is not None and (isinstance(key, bool) or not isinstance(key, (str, int, float))):
        raise AudioError(
            f'list file {where}: "key" must be a string or number, got {_shown_value(key)}'
        )
    return (None if key is None else str(key)), source


def _shown_value(value: Any) -> str:
    try:
        return quoted(json.dumps(value, ensure_ascii=False))
    except RecursionError:
        return "one that is nested too deeply"
