"""Configurations that make no sense, and options that fit no checkpoint: of every family."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from safeasr import AutoModel, ExportError, OptionError, SafeASRError, UnsupportedModelError
from safeasr.bundles.tables import read_cmvn
from safeasr.bundles.weights import read_weights
from safeasr.loading.export import open_bundle
from support.cases import CASES, FamilyCase, of_all
from support.models import write_cmvn

pytest.importorskip("funasr", reason="funasr makes the models")

NAN, INF = float("nan"), float("inf")
VALUES: list[Any] = [
    None, 0, -1, 1, 3, 1.5, 4097, 10**9, 10**30, -(10**30), 1e-300, NAN, INF, "abc", "1", "", [],
    [1],
    [None], [[[]]], {}, {"a": 1}, True, False,
]  # fmt: skip


@pytest.fixture(scope="module")
def directories(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A model directory of every family."""
    return {case.name: case.write(tmp_path_factory.mktemp(case.name)) for case in CASES}


@pytest.fixture
def directory_of(directories: dict[str, Path], tmp_path: Path) -> Callable[[FamilyCase], Path]:
    """Copies that a test may change."""
    return lambda case: Path(shutil.copytree(directories[case.name], tmp_path / case.name))


def places(config: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, value in config.items():
        yield (*path, key)
        if isinstance(value, dict):
            yield from places(value, (*path, key))


@of_all()
@pytest.mark.slow
def test_configurations_changed_at_random(
    case: FamilyCase, directory_of: Callable[[FamilyCase], Path]
) -> None:
    """They are refused with a typed error, or are none the worse."""
    directory, rng = directory_of(case), random.Random(case.name)
    file = directory / "config.yaml"
    whole = yaml.safe_load(file.read_text())
    refused = 0
    for _ in range(15):
        config = yaml.safe_load(yaml.safe_dump(whole))
        path = rng.choice(list(places(config)))
        parent = config
        for key in path[:-1]:
            parent = parent[key]
        if rng.random() < 0.15:
            del parent[path[-1]]
        else:
            parent[path[-1]] = rng.choice(VALUES)
        file.write_text(yaml.safe_dump(config))
        try:
            open_bundle(directory)
        except SafeASRError as error:
            refused += 1
            assert isinstance(error, (ExportError, UnsupportedModelError)), (path, error)  # noqa: PT017
    assert refused > 3


WRONG: list[tuple[str, Any]] = [
    *(("encoder_conf", one) for one in (None, [], 3, "abc")),
    ("frontend_conf", "abc"),
    ("model_conf", [1]),
    *(("frontend_conf.fs", one) for one in ("abc", 0, -1, NAN, 10**12, None, 1.5)),
    *(("frontend_conf.n_mels", one) for one in ("80", 0, 10**9, [80], True)),
    *(("frontend_conf.lfr_m", one) for one in (0, -1, 10**9)),
    *(("frontend_conf.frame_length", one) for one in (0, -25, INF, "25", 10**9)),
    *(("frontend_conf.window", one) for one in (3, "odd", None, [])),
]


@pytest.mark.parametrize(("place", "value"), WRONG)
@of_all(lambda case: case.encoder)
def test_what_makes_no_sense_is_named(
    case: FamilyCase, directory_of: Callable[[FamilyCase], Path], place: str, value: Any
) -> None:
    if case.text and place.startswith("frontend_conf"):
        return  # text needs no frontend
    directory = directory_of(case)
    config = yaml.safe_load((directory / "config.yaml").read_text())
    *sections, key = place.split(".")
    parent = config[sections[0]] if sections else config
    parent[key] = value
    (directory / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(ExportError, match=place.split(".")[0]) as raised:
        open_bundle(directory)
    assert "config.yaml" in str(raised.value)


#: Sizes of the encoders: every family has some of them.
SIZES = {
    "output_size": [0, -1, "abc", None, 1.5, 10**9, 33, 64],
    "attention_heads": [0, -2, 3, 10**9, "two"],
    "num_blocks": [0, -1, 1, 3, 10**9, "many", None],
    "kernel_size": [0, -1, 5, 10**9],
    "fsmn_layers": [0, -1, 1, 2, 4, 10**9, "many"],
    "lorder": [0, 1, -1, 5, 10**9],
    "proj_dim": [0, 7, 10**9],
    "tp_blocks": [-1, 0, 5, 10**9],
}


@of_all(lambda case: case.encoder)
@pytest.mark.slow
def test_options_that_do_not_fit_the_checkpoint(
    case: FamilyCase, directory_of: Callable[[FamilyCase], Path]
) -> None:
    """Half an encoder in place of the whole one, say: FunASR takes it without a word."""
    directory, tried = directory_of(case), 0
    conf = yaml.safe_load((directory / "config.yaml").read_text())["encoder_conf"]
    for key, values in SIZES.items():
        for value in values if key in conf else ():
            if value == conf[key]:
                continue
            with pytest.raises((ExportError, UnsupportedModelError)) as raised:
                open_bundle(directory, {"encoder_conf": {key: value}})
            said = str(raised.value)
            assert "encoder_conf" in said or "checkpoint" in said, (key, value, said)
            tried += 1
    assert tried > 5


@of_all(lambda case: case.encoder)
def test_half_a_network(case: FamilyCase, directory_of: Callable[[FamilyCase], Path]) -> None:
    directory = directory_of(case)
    conf = yaml.safe_load((directory / "config.yaml").read_text())["encoder_conf"]
    key = "fsmn_layers" if "fsmn_layers" in conf else "num_blocks"
    with pytest.raises(ExportError, match=r"parameters have no place in the network, such as 'enc"):
        AutoModel(str(directory), encoder_conf={key: conf[key] - 1})
    with pytest.raises(ExportError, match=r"lacks \d+ parameters|missing"):
        AutoModel(str(directory), encoder_conf={key: conf[key] + 1})


@pytest.mark.parametrize("value", ["", "gone.pt", "/there/gone.pt", ".", 5, ["model.pt"], "a\0b"])
@of_all()
def test_a_checkpoint_that_is_not_there(
    case: FamilyCase, directory_of: Callable[[FamilyCase], Path], value: Any
) -> None:
    wrong = r"init_param(=.* is not a file| must be a path)"
    with pytest.raises((ExportError, OptionError), match=wrong):
        AutoModel(str(directory_of(case)), init_param=value)


@of_all()
@pytest.mark.slow
def test_a_checkpoint_of_another_model(
    case: FamilyCase, directory_of: Callable[[FamilyCase], Path], directories: dict[str, Path]
) -> None:
    directory = directory_of(case)
    for name, other in directories.items():
        if name.startswith(case.name) or case.name.startswith(name):
            continue  # the two Paraformers differ in how they are run
        with pytest.raises(ExportError, match="checkpoint"):
            open_bundle(directory, {"init_param": str(other / "model.pt")})


@of_all()
def test_what_only_training_needs_may_be_left(
    case: FamilyCase, directory_of: Callable[[FamilyCase], Path]
) -> None:
    directory = directory_of(case)
    state = read_weights(directory / "model.pt")
    more = {name: torch.ones(1) for name in ("criterion_att.x", "specaug.y", "normalize.mean")}
    torch.save({**state, **more}, directory / "more.pt")
    open_bundle(directory, {"init_param": "more.pt"})
    # No family has one.
    torch.save({**state, "rescorer.weight": torch.ones(1)}, directory / "more.pt")
    with pytest.raises(ExportError, match=r"1 of its parameters .* such as 'rescorer\.weight'"):
        open_bundle(directory, {"init_param": "more.pt"})


def test_files_that_the_caller_names(directories: dict[str, Path], tmp_path: Path) -> None:
    """They go before the directory's own; one that is not there is no reason to take another."""
    directory = directories["fsmn_vad"]
    mine = tmp_path / "mine.mvn"
    write_cmvn(mine, 400, seed=9)
    given = open_bundle(directory, {"frontend_conf": {"cmvn_file": str(mine)}}).frontend
    assert given["cmvn_shift"] == read_cmvn(mine)[0]
    assert given["cmvn_shift"] != open_bundle(directory).frontend["cmvn_shift"]
    with pytest.raises(ExportError, match=r"cmvn_file='.*gone\.mvn' is not a file"):
        open_bundle(directory, {"frontend_conf": {"cmvn_file": str(tmp_path / "gone.mvn")}})
    mine.write_text("nothing of the kind")
    with pytest.raises(ExportError, match=r"mine\.mvn is not a CMVN file"):
        open_bundle(directory, {"frontend_conf": {"cmvn_file": str(mine)}})


def test_options_within_themselves(directories: dict[str, Path]) -> None:
    ring: dict[str, Any] = {}
    ring["a"] = ring
    with pytest.raises(ExportError, match="nested"):
        open_bundle(directories["paraformer"], {"encoder_conf": ring})
