"""What a server needs is imported before it is ready: parts of an import hold up all clients."""

from __future__ import annotations

from pathlib import Path

import pytest
import soundfile

import safeasr
from support.containers import ffmpeg_bytes, sndfile_bytes
from support.serve_clients import Realtime, ask, frames
from support.serving import server

#: Long enough that speakers are told apart by the libraries for it.
_DIALOGUE = Path(safeasr.__file__).parent / "models" / "demo-spk" / "audio" / "dialogue.flac"


def packages(log: str) -> set[str]:
    """That were imported by now; the log has one more line for each module."""
    lines = [line for line in log.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}


@pytest.mark.slow
def test_nothing_is_imported_while_it_serves(own_cache: object, sentence: bytes) -> None:
    wave, rate = soundfile.read(_DIALOGUE, dtype="float32")
    low, short = (wave[::2], rate // 2), (wave[:rate], rate)
    files = [sndfile_bytes("WAV", *low), ffmpeg_bytes("webm", "libopus", *short)]
    with server(environment={"PYTHONPROFILEIMPORTTIME": "1"}) as running:
        before = packages(running.log())
        for file in files:
            answer = running.http.post(
                "/v1/audio/transcriptions",
                files={"file": file},
                data={"response_format": "diarized_json"},
            )
            assert answer.status_code == 200, answer.text
        for mode in ("2pass", "online", "offline"):
            ask(running.ws, {"mode": mode, "audio_fs": 8000, "spk": True}, *frames(sentence))
        with Realtime(f"{running.ws}/v1/realtime") as client:
            client.append(sentence)
            client.wait("input_audio_buffer.speech_started")
        for path in ("/stats", "/metrics", "/v1/models", "/nowhere"):
            running.http.get(path)
        assert running.end() == 0
        late = packages(running.log()) - before
    assert {"sklearn", "av", "soxr"} <= before
    assert late <= {"tabulate"}  # which is small
