"""Names of devices, and what becomes of them where they do not exist."""

from __future__ import annotations

import warnings

import pytest
import torch

from safeasr import AutoModel, InferenceError, OutOfMemoryError, _ext
from safeasr.options.device import pick_device

without_cuda = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")


def engine(device: str) -> _ext.Engine:
    return _ext.Engine(num_workers=1, queue_size=4, device=device)


@pytest.mark.parametrize("device", ["cpu", "cpu:0", " cpu "])
def test_the_cpu_is_one_device(device: str) -> None:
    made = engine(device)
    stats = made.stats()
    made.close()
    assert [d["device"] for d in stats["devices"]] == ["cpu"]


@pytest.mark.parametrize(
    ("device", "message"),
    [
        ("", "expected the name of a device"),
        ("gpu", "'gpu' is no device"),
        ("cuda:x", "'cuda:x' is no device"),
        ("cpu,,cpu", "'' is no device"),
        ("cpu,cpu", "named twice"),
        ("meta,cpu", "meta"),
    ],
)
def test_names_that_make_no_sense_are_refused(device: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        engine(device)


@without_cuda
@pytest.mark.parametrize("device", ["cuda", "cuda:1", "cpu,cuda"])
def test_the_extension_says_what_is_missing(device: str) -> None:
    with pytest.raises(ValueError, match="cuda"):
        engine(device)


@without_cuda
@pytest.mark.parametrize("device", ["cuda", "cuda:0", "cuda:0,cuda:1", "cuda:0, cuda:1"])
def test_without_cuda_a_model_runs_on_the_cpu_and_says_so(device: str) -> None:
    with pytest.warns(UserWarning, match="is not available: running on the CPU") as caught:
        model = AutoModel("demo", device=device, num_workers=1)
    assert len([w for w in caught if "not available" in str(w.message)]) == 1
    assert caught[0].filename == __file__
    assert [d["device"] for d in model.stats()["devices"]] == ["cpu"]
    assert model.kwargs["device"] == "cpu"
    model.close()


@pytest.mark.parametrize("device", ["tpu:0", "cpu,cuda:0", "meta", "mps"])
def test_other_devices_are_not_supported(device: str) -> None:
    with pytest.warns(UserWarning, match="is not supported: running on the CPU"):
        assert pick_device(device, ngpu=1) == "cpu"


def test_no_gpus_are_asked_for() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert pick_device("cuda:0,cuda:1", ngpu=0) == "cpu"
        assert pick_device("cpu", ngpu=1) == "cpu"


def test_running_out_of_memory_is_an_inference_error_and_a_memory_error() -> None:
    assert issubclass(OutOfMemoryError, InferenceError)
    assert issubclass(OutOfMemoryError, MemoryError)


def test_numbers_of_devices_add_up() -> None:
    made = engine("cpu")
    stats = made.stats()
    made.close()
    (only,) = stats["devices"]
    assert only.pop("device") == "cpu"
    assert only == {name: stats[name] for name in only}
