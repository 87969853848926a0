"""Answers of FunASR's websocket protocol, in the one form that suits all its clients.

``mode``, ``text``, ``wav_name`` and ``is_final`` in every message; ``is_final`` true once, in the
last one of an utterance, which always comes; ``timestamp`` a string of JSON, or none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from safeasr.serve.problems import Problem

__all__ = ["error_message", "text_message"]

#: Of a live segment, as FunASR's C++ server says it.
_ENDED: Final = 2
_MARKS: Final = "，。！？、；：,.!?;:"


def text_message(
    mode: str, name: str, result: Mapping[str, Any] | None, *, is_final: bool, is_end: bool
) -> str:
    """What was said.

    Args:
        mode: "offline", "2pass-online" or "2pass-offline".
        name: the client's, of the audio.
        result: a result or an event of the model; None: nothing was said.
        is_final: the utterance is over.
        is_end: the client wants to hear so.
    """
    message: dict[str, Any] = {"mode": mode, "text": "", "wav_name": name, "is_final": is_final}
    if result is not None:
        message["text"] = result.get("text", "")
        message |= _times(result)
        if result.get("is_final"):
            message["slice_type"] = _ENDED
        if result.get("spk") is not None:
            message["spk_name"] = f"spk{result['spk']}"
            if result.get("spk_score") is not None:
                message["spk_score"] = round(float(result["spk_score"]), 4)
    if is_end:
        message["is_end"] = True
    return json.dumps(message, ensure_ascii=False)


def error_message(mode: str, name: str, problem: Problem) -> str:
    """What went wrong. A message of its own: some clients take nothing else from one with an error.

    The last message of the utterance follows it.
    """
    error = {"code": problem.code, "message": problem.message}
    message = {"mode": mode, "text": "", "wav_name": name, "is_final": False, "error": error}
    return json.dumps(message, ensure_ascii=False)


def _times(result: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if result.get("timestamp"):  # FunASR's page loses texts with an empty list
        found["timestamp"] = json.dumps(_plain(result["timestamp"]))
    sentences = result.get("sentence_info")
    if sentences is None and "timestamp" in result and "start" in result:
        sentences = [result]  # a segment of two passes
    if sentences is not None:
        found["stamp_sents"] = [_sentence(one) for one in sentences]
    elif "start" in result and "end" in result:
        found |= {"start_time": int(result["start"]), "end_time": int(result["end"])}
    return found


def _sentence(one: Mapping[str, Any]) -> dict[str, Any]:
    text = str(one.get("text", "")).strip()
    bare = text.rstrip(_MARKS)
    sentence: dict[str, Any] = {
        "text_seg": bare,
        "punc": text[len(bare) :],
        "start": int(one["start"]),
        "end": int(one["end"]),
        "ts_list": _plain(one.get("timestamp", ())),
    }
    if one.get("spk") is not None:
        sentence["spk"] = int(one["spk"])
    return sentence


def _plain(times: Sequence[Sequence[float]]) -> list[list[int]]:
    return [[int(time) for time in pair[:2]] for pair in times]
