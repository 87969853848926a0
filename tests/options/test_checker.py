"""The one checker: the same words in every place, at the line that gave the option."""

from __future__ import annotations

import asyncio
import inspect
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from safeasr import AutoModel
from safeasr.options.checker import AUTO_MODEL, GENERATE, STREAM, Place, checked, of_model
from safeasr.options.declared import FLAG, Option, Options, Where, number, one_of, whole
from safeasr.options.names import CONFIG_KEYS, CONSTRUCTOR, OWN
from support.audio import speech

CLIP = speech(2.0)
VAD_KWARGS = of_model("vad_kwargs")
OPTIONS = Options(
    Option("beam", whole("a whole number of at least 1", least=1), 5),
    Option("weight", number("a number from 0 to 1", least=0, most=1)),
    Option("greedy", FLAG),
    Option("form", one_of("long", "short")),
    Option("stream", where=Where.CALL),
    Option("size", number(), where=Where.CONSTRUCTOR),
)
PLACES = [AUTO_MODEL, GENERATE, STREAM, VAD_KWARGS]


@pytest.fixture
def no_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        yield


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.name)
@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("beam", [1, 7.0, np.int64(3), 10**9], [0, 1.5, "3", True, [3], float("inf")]),
        ("weight", [0, 1, 0.5, np.float32(0.25)], [-0.1, 1.01, "0.5", float("nan"), False]),
        ("greedy", [True, False, 0, 1, np.bool_(True)], ["yes", "true", 2, 0.5, [], {}]),
        ("form", ["long", "short"], ["", "Long", 1, ["long"]]),
    ],
)
def test_values(
    place: Place, name: str, good: list[Any], bad: list[Any], no_warnings: None
) -> None:
    for value in [*good, None]:
        assert checked({name: value}, place, OPTIONS) == {name: value}
    for value in bad:
        message = f"^{name} must be .*, got .* \\(an option of {place.name}\\)$"
        with pytest.raises(ValueError, match=message):
            checked({name: value}, place, OPTIONS)


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.name)
def test_unknown_names(place: Place) -> None:
    with pytest.warns(UserWarning, match="unknown") as caught:
        assert checked({"gredy": True, "colour": "red"}, place, OPTIONS) == {}
    assert [str(one.message) for one in caught] == [
        f"unknown option 'gredy' of {place.name} is ignored: did you mean 'greedy'?",
        f"unknown option 'colour' of {place.name} is ignored",
    ]


@pytest.mark.parametrize(
    ("name", "owner", "ignoring"),
    [
        ("stream", "generate", [AUTO_MODEL, VAD_KWARGS]),
        ("size", "AutoModel", [GENERATE]),
        ("output_dir", "generate", [STREAM, VAD_KWARGS]),
        ("hub", "AutoModel", [GENERATE, STREAM]),
        ("encoder", "AutoModel", [GENERATE, STREAM]),
        ("num_workers", "AutoModel", [GENERATE, STREAM]),
    ],
)
def test_names_of_another_place(
    name: str, owner: str, ignoring: list[Place], no_warnings: None
) -> None:
    value = 1 if name in ("size", "stream", "num_workers") else "some"
    for place in PLACES:
        if place in ignoring:
            message = f"option '{name}' belongs to {owner}: {place.name} ignores it"
            with pytest.warns(UserWarning, match=message):
                assert checked({name: value}, place, OPTIONS) == {}
        elif not (name in OWN and place in (AUTO_MODEL, VAD_KWARGS)):
            assert checked({name: value}, place, OPTIONS) == {name: value}


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.name)
def test_what_only_other_models_understand(place: Place, no_warnings: None) -> None:
    for value in (None, False, "", 0):
        assert checked({"sentence_timestamp": value}, place, OPTIONS) == {}
    with pytest.warns(UserWarning, match="'sentence_timestamp' has no effect for this model"):
        checked({"sentence_timestamp": True}, place, OPTIONS)


def test_options_are_a_set_of_names() -> None:
    some = Options(Option("a", number()), Option("b"))
    both = some | Options(Option("a", FLAG), Option("c"))
    assert list(both) == ["a", "b", "c"]
    assert both["a"] is some["a"], "the first of two counts"
    assert list(both - {"b"}) == ["a", "c"]
    assert (both - ["a"]).own({"a": 1, "b": 2, "d": 3}) == {"b": 2}


def test_the_constructors_own_arguments_are_known() -> None:
    arguments = set(inspect.signature(AutoModel.__init__).parameters) - {"self", "kwargs"}
    assert arguments <= OWN
    assert not OWN & CONFIG_KEYS
    assert not OWN & CONSTRUCTOR


# -- Through the models ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def demo() -> Iterator[AutoModel]:
    with AutoModel("demo", num_workers=1, disable_pbar=True) as model:
        yield model


def blamed(ask: Callable[[], Any], message: str) -> str:
    """The file and the line that the one warning blames."""
    with pytest.warns(UserWarning, match=message) as all_caught:
        ask()
    caught = [one for one in all_caught if one.category is UserWarning]
    assert len(caught) == 1, [str(one.message) for one in caught]
    assert caught[0].filename == __file__
    return Path(__file__).read_text().splitlines()[caught[0].lineno - 1].strip()


def test_the_users_line_is_blamed(demo: AutoModel) -> None:
    unknown = "unknown option 'colour'"
    make: dict[str, Any] = {"num_workers": 1, "disable_pbar": True}

    def construct() -> None:
        AutoModel("demo", colour=1, **make).close()

    def construct_beside() -> None:
        AutoModel("demo", vad_model="demo-vad", vad_kwargs={"colour": 1}, **make).close()

    def generate() -> None:
        demo.generate(CLIP, colour=1)

    def submit() -> None:
        demo.submit(CLIP, colour=1).result()

    def stream() -> None:
        demo.stream(colour=1).close()

    async def wait() -> None:
        await demo.agenerate(CLIP, colour=1)

    assert blamed(construct, f"{unknown} of AutoModel") == (
        'AutoModel("demo", colour=1, **make).close()'
    )
    assert "vad_kwargs=" in blamed(construct_beside, f"{unknown} of vad_kwargs")
    assert blamed(generate, f"{unknown} of generate") == "demo.generate(CLIP, colour=1)"
    assert blamed(submit, f"{unknown} of generate") == "demo.submit(CLIP, colour=1).result()"
    assert blamed(stream, f"{unknown} of stream") == "demo.stream(colour=1).close()"
    assert blamed(lambda: asyncio.run(wait()), f"{unknown} of generate") == (
        "await demo.agenerate(CLIP, colour=1)"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_single_segement_time": 5}, "did you mean 'max_single_segment_time'"),
        ({"cache": {}}, "option 'cache' belongs to generate: vad_kwargs ignores it"),
        ({"batch_size_s": 3}, "option 'batch_size_s' belongs to generate"),
        ({"sentence_timestamp": True}, "has no effect"),
    ],
)
def test_options_of_the_detector_beside(options: dict[str, Any], message: str) -> None:
    for names in ({"vad_model": "demo-vad"}, {}):  # the demo has one of its own, for streams
        with pytest.warns(UserWarning, match=message):
            AutoModel("demo", num_workers=1, vad_kwargs=options, **names).close()


def test_wrong_options_of_the_detector_beside() -> None:
    message = r"max_end_silence_time must be a time .*, got 'long' \(an option of vad_kwargs\)"
    for names in ({"vad_model": "demo-vad"}, {}):
        with pytest.raises(ValueError, match=message):
            AutoModel("demo", num_workers=1, vad_kwargs={"max_end_silence_time": "long"}, **names)
    # What only the extension knows to be wrong is refused at once, too.
    with pytest.raises(ValueError, match="window_size_ms: expected from one frame"):
        AutoModel(
            "demo", num_workers=1, vad_model="demo-vad", vad_kwargs={"window_size_ms": 1},
        )  # fmt: skip


def test_a_detector_beside_nothing() -> None:
    with pytest.warns(UserWarning, match="vad_kwargs has no effect without vad_model"):
        AutoModel("demo-streaming", num_workers=1, vad_kwargs={"do_extend": False}).close()


def test_arguments_of_funasr_for_the_detector_are_quiet(no_warnings: None) -> None:
    given = {"max_single_segment_time": 3000, "device": "cpu", "disable_update": True, "hub": "ms"}
    AutoModel("demo", num_workers=1, vad_model="demo-vad", vad_kwargs=given).close()


def test_the_detectors_configuration_is_its_own() -> None:
    """As in FunASR, keys of config.yaml in vad_kwargs are the detector's."""
    from safeasr import UnsupportedModelError

    with pytest.raises(UnsupportedModelError, match="encoder='Other'"):
        AutoModel("demo", num_workers=1, vad_model="demo-vad", vad_kwargs={"encoder": "Other"})


def test_the_constructor_says_what_has_no_effect() -> None:
    with pytest.warns(UserWarning, match="'sentence_timestamp' has no effect for this model"):
        AutoModel("demo", num_workers=1, sentence_timestamp=True).close()
    with pytest.warns(UserWarning, match="'merge_vad' has no effect for this model"):
        AutoModel("demo", num_workers=1, merge_vad=True).close()


def test_what_is_used_is_not_warned_of(demo: AutoModel, no_warnings: None) -> None:
    path = demo.model_path
    for options in (
        {"model_path": path},
        {"merge_vad": True, "merge_length_s": 10, "vad_model": "demo-vad"},
        {"max_end_silence_time": 300, "encoder_chunk_look_back": 4},  # of the demo's streams
    ):
        AutoModel("demo", num_workers=1, **options).close()


def test_wrong_options_of_the_constructor() -> None:
    for options, message in (
        ({"pred_timestamp": "no"}, r"pred_timestamp must be true or false, got 'no'"),
        ({"fs": "16k"}, r"fs must be a rate in Hz.*, got '16k' \(an option of AutoModel\)"),
        ({"chunk_size": 7}, r"chunk_size must be \[left, chunk, right\] in rows of 60 ms, got 7"),
    ):
        with pytest.raises(ValueError, match=message):
            AutoModel("demo", num_workers=1, **options)
