"""The log of slow and failed requests says which and how long, and nothing that was said."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from safeasr import AudioError, AutoModel, DeadlineExceededError, OptionError
from safeasr.options.model import model_options
from support.audio import speech
from support.waiting import until

CLIP = speech(1.0)
LOGGER = "safeasr.requests"


def lines(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.name == LOGGER]


def test_slow_requests_are_named(
    gated_model: Callable[..., AutoModel], gate: Any, caplog: pytest.LogCaptureFixture
) -> None:
    model = gated_model(slow_request_s=1.0, max_batch_size=1)
    first, second = model.submit(CLIP, key="one"), model.submit(CLIP, key="two\n")
    until(first.running)
    time.sleep(1.2)
    gate.open()
    for future in (first, second, first):
        future.result(30)
    model.generate(CLIP, key="fast")
    one, two = lines(caplog)
    assert one.levelno == two.levelno == logging.WARNING
    message = one.getMessage()
    assert message.startswith("slow request of ")
    assert "key 'one': " in message
    for stage in ("decode", "queue", "compute", "text"):
        assert f", {stage} " in message
    assert one.key == "one" and two.key == r"two\n"
    assert "\n" not in two.getMessage()
    assert one.total_s >= 1.2
    assert one.compute_s >= 1.2 > one.decode_s
    assert two.queue_s >= 1.2
    assert one.error is None
    assert one.total_s == pytest.approx(
        one.decode_s + one.queue_s + one.compute_s + one.text_s, abs=0.5
    )


def test_a_result_that_nobody_took_is_not_slow(caplog: pytest.LogCaptureFixture) -> None:
    with AutoModel(model="demo", slow_request_s=2.0, num_workers=1) as model:
        model.generate(CLIP)
        future = model.submit(CLIP)
        until(future.done)
        time.sleep(2.2)
        assert future.result()
    assert lines(caplog) == []


def test_a_request_that_is_late(
    gated_model: Callable[..., AutoModel], gate: Any, caplog: pytest.LogCaptureFixture
) -> None:
    model = gated_model(slow_request_s=0.1)
    with pytest.raises(DeadlineExceededError):
        model.generate(CLIP, key="late", timeout=0.3)
    gate.open()
    (record,) = lines(caplog)
    assert record.levelno == logging.WARNING
    assert record.error == "DeadlineExceededError"
    assert "key 'late': " in record.getMessage()


def test_failed_requests_are_told_if_asked(
    model: AutoModel, caplog: pytest.LogCaptureFixture
) -> None:
    bad = np.full(400, np.nan, dtype=np.float32)
    secret = "https://user:hidden@localhost:1/talk.wav?token=hidden"

    def all_of_them() -> None:
        for wrong in (bad, secret):
            with pytest.raises(AudioError):
                model.generate(wrong, download_timeout=5)
        with pytest.raises(OptionError):
            model.generate(CLIP, fs="hidden")
        results = model.generate([CLIP, bad], key=["a", "b"], on_error="return")
        assert "error" in results[1]

    all_of_them()
    assert lines(caplog) == [], "whoever called has the exception"
    with caplog.at_level(logging.INFO, logger=LOGGER):
        all_of_them()
    found = lines(caplog)
    assert [one.levelno for one in found] == [logging.INFO] * 4
    assert [one.error for one in found] == ["AudioError", "AudioError", "OptionError", "AudioError"]
    assert found[1].key == "talk"
    assert found[2].key is None
    assert found[3].key == "b"
    assert all(one.getMessage().startswith("failed request of ") for one in found)
    assert not any("hidden" in str(vars(one)) for one in found)


def test_slow_chunks(caplog: pytest.LogCaptureFixture) -> None:
    streaming = AutoModel(model="demo-streaming", slow_request_s=0.0, num_workers=1)
    with streaming as model, model.stream(key="live") as stream:
        stream.feed(CLIP)
    until(lambda: bool(lines(caplog)))  # told on another thread
    (record,) = lines(caplog)
    assert record.getMessage().startswith("slow chunk of demo-streaming: key 'live': ")
    assert record.key == "live"
    assert record.turn_s >= 0 and record.work_s > 0


def test_segments_are_told_as_one(caplog: pytest.LogCaptureFixture) -> None:
    with AutoModel(model="demo", vad_model="demo-vad", slow_request_s=0.0, num_workers=1) as model:
        model.generate(speech(15.0), key="long", disable_pbar=True)
    (record,) = lines(caplog)
    assert record.key == "long"
    assert record.compute_s > 0 and record.text_s > 0 and record.decode_s >= 0


def test_a_handler_that_fails_fails_no_call(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise RuntimeError("broken")

    handler = Broken()
    logging.getLogger(LOGGER).addHandler(handler)
    try:
        with AutoModel(model="demo", slow_request_s=0.0, num_workers=1) as model:
            assert model.generate(CLIP, disable_pbar=True)
    finally:
        logging.getLogger(LOGGER).removeHandler(handler)


def test_the_limit_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    def limit(**given: Any) -> float | None:
        return model_options({}, **given).slow_request_s

    monkeypatch.delenv("SAFEASR_SLOW_S", raising=False)
    assert limit() is None
    monkeypatch.setenv("SAFEASR_SLOW_S", "2.5")
    assert limit() == 2.5
    assert limit(slow_request_s=1) == 1.0
    for wrong in ("soon", "-1", "nan"):
        monkeypatch.setenv("SAFEASR_SLOW_S", wrong)
        with pytest.warns(UserWarning, match="SAFEASR_SLOW_S"):
            assert limit() is None


def test_the_option_is_checked() -> None:
    with pytest.raises(OptionError, match="slow_request_s"):
        AutoModel(model="demo", slow_request_s="soon")  # type: ignore[arg-type]
