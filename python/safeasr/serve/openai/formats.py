"""Transcripts in the forms of OpenAI's API, and in that of FunASR's server."""

from __future__ import annotations

import json
import zlib
from typing import Any

from starlette.responses import JSONResponse, PlainTextResponse, Response

from safeasr.serve.openai.form import Asked
from safeasr.serve.openai.transcript import Segment, Transcript, Word
from safeasr.text.subtitles import srt_cue, vtt_cue

__all__ = ["response_of", "segments_of_funasr", "usage_of"]


def response_of(transcript: Transcript, asked: Asked) -> Response:
    """The answer to a client that does not stream."""
    if asked.form == "text":
        return PlainTextResponse(transcript.text + "\n")
    if asked.form == "srt":
        return PlainTextResponse(_srt(transcript), media_type="application/x-subrip")
    if asked.form == "vtt":
        return PlainTextResponse(_vtt(transcript), media_type="text/vtt")
    if asked.form == "verbose_json":
        body = _verbose(transcript, asked)
    elif asked.form == "diarized_json":
        body = _diarized(transcript)
    else:
        body = {"text": transcript.text, "usage": usage_of(transcript)}
        if asked.speakers:  # the `spk` of FunASR's server
            body["segments"] = segments_of_funasr(transcript)
    if transcript.failed:
        body["failed_parts"] = transcript.failed
    return _Json(body)


class _Json(JSONResponse):
    def render(self, content: Any) -> bytes:
        """Characters as they are, not as escapes."""
        return json.dumps(content, ensure_ascii=False).encode()


def usage_of(transcript: Transcript) -> dict[str, Any]:
    """What is counted: seconds of audio."""
    return {"type": "duration", "seconds": max(1, round(transcript.duration))}


def _verbose(transcript: Transcript, asked: Asked) -> dict[str, Any]:
    body: dict[str, Any] = {
        "task": "transcribe",
        "language": transcript.language,
        "duration": round(transcript.duration, 3),
        "text": transcript.text,
        "usage": usage_of(transcript),
    }
    if asked.segments:
        body["segments"] = [_numbered(i, one) for i, one in enumerate(transcript.segments)]
    if asked.words:
        body["words"] = [_word(one) for one in transcript.words]
    return body


def _word(one: Word) -> dict[str, Any]:
    return {"word": one.word, "start": one.start, "end": one.end}


def _numbered(number: int, segment: Segment) -> dict[str, Any]:
    """A segment with all numbers that OpenAI's types require.

    The models here have no log probabilities to tell and no temperature: these are 0.
    """
    raw = segment.text.encode()
    found: dict[str, Any] = {
        "id": number,
        "seek": int(segment.start * 100),
        "start": segment.start,
        "end": segment.end,
        "text": segment.text,
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": 0.0,
        "compression_ratio": round(len(raw) / len(zlib.compress(raw)), 3),
        "no_speech_prob": 0.0,
    }
    if segment.speaker is not None:
        found["speaker"] = _speaker(segment.speaker)
    return found


def _speaker(number: int) -> str:
    """OpenAI names unknown speakers A, B, C, ..."""
    name = ""
    number += 1
    while number:
        number, letter = divmod(number - 1, 26)
        name = chr(ord("A") + letter) + name
    return name


def _diarized(transcript: Transcript) -> dict[str, Any]:
    segments = [
        {
            "id": f"seg_{number}",
            "type": "transcript.text.segment",
            "start": one.start,
            "end": one.end,
            "text": one.text,
            "speaker": _speaker(one.speaker or 0),
        }
        for number, one in enumerate(transcript.segments)
    ]
    return {
        "task": "transcribe",
        "duration": round(transcript.duration, 3),
        "text": transcript.text,
        "segments": segments,
        "usage": usage_of(transcript),
    }


def segments_of_funasr(transcript: Transcript) -> list[dict[str, Any]]:
    """Segments as FunASR's server has them, words inside."""
    found = []
    for one in transcript.segments:
        segment: dict[str, Any] = {"start": one.start, "end": one.end, "text": one.text}
        if one.words:
            segment["words"] = [_word(word) for word in one.words]
        if one.speaker is not None:
            segment["speaker"] = f"SPK{one.speaker}"
        found.append(segment)
    return found


def _times(one: Segment) -> tuple[int, int]:
    return round(one.start * 1000), round(one.end * 1000)


def _named(one: Segment) -> str | None:
    return None if one.speaker is None else _speaker(one.speaker)


def _srt(transcript: Transcript) -> str:
    cues = enumerate(transcript.segments, 1)
    return "\n".join(srt_cue(number, *_times(one), one.text, _named(one)) for number, one in cues)


def _vtt(transcript: Transcript) -> str:
    cues = [vtt_cue(*_times(one), one.text, _named(one)) for one in transcript.segments]
    return "\n".join(["WEBVTT\n", *cues])
