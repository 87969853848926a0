"""What a live session keeps of its audio."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from safeasr.client.live.kept import KeptAudio


def pcm(begin: int, end: int) -> bytes:
    """Samples that say where they stand."""
    return np.arange(begin, end, dtype="<u4").astype("<u2").tobytes()


def test_a_sentence_that_is_not_finished_is_sent_again() -> None:
    audio = KeptAudio(100, 10.0)
    audio.add(pcm(0, 500))
    assert audio.take(300) == pcm(0, 300)
    audio.finish(120)
    assert audio.rewind() == (180, 0)
    assert audio.take(1000) == pcm(120, 500)
    assert audio.take(1000) == b""


def test_what_is_not_finished_for_long_is_not_all_kept() -> None:
    audio = KeptAudio(100, 2.0)
    for at in range(0, 1000, 50):
        assert not audio.full
        audio.add(pcm(at, at + 50))
        audio.take(50)
    assert audio.rewind() == (200, 800)
    assert audio.take(1000) == pcm(800, 1000)
    assert audio.rewind() == (200, 0), "it is told once"


def test_what_was_never_sent_is_all_kept_and_is_never_more_than_the_limit() -> None:
    audio = KeptAudio(100, 2.0)
    audio.add(pcm(0, 150))
    assert audio.take(150)
    audio.rewind()
    audio.add(pcm(150, 350))
    assert audio.full
    assert audio.take(1000) == pcm(0, 350)
    assert not audio.full


def test_a_server_cannot_finish_what_it_was_not_sent() -> None:
    audio = KeptAudio(100, 10.0)
    audio.add(pcm(0, 200))
    audio.take(100)
    audio.finish(10_000)
    assert audio.take(1000) == pcm(100, 200)


@given(st.lists(st.tuples(st.sampled_from("atfr"), st.integers(0, 400)), max_size=60))
def test_nothing_is_sent_in_a_wrong_place(steps: list[tuple[str, int]]) -> None:
    audio = KeptAudio(100, 3.0)
    for step, number in steps:
        if step == "a" and not audio.full:
            audio.add(pcm(audio.end, audio.end + number))
        elif step == "t":
            place = audio.sent
            assert audio.take(number) == pcm(place, min(place + number, audio.end))
        elif step == "f":
            audio.finish(number * 3)
        else:
            before = audio.begin
            audio.rewind()
            assert audio.begin == audio.sent == before
        assert audio.begin <= audio.sent <= audio.end
        assert len(audio._data) == 2 * (audio.end - audio.begin)
        assert audio.end - audio.begin <= 2 * 300 + 400
