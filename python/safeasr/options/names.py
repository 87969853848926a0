"""FunASR's options that belong to no family: what is accepted of them, and where."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from safeasr.options.declared import ANY, FLAG, Option, Options, number, one_of, whole
from safeasr.options.kinds import DICT, NAME, PATH, PLAIN_DATA, TIME_LIMIT, Kind, list_of

__all__ = [
    "COMMON",
    "CONFIG",
    "CONFIG_KEYS",
    "CONSTRUCTOR",
    "CONSTRUCTOR_OPTIONS",
    "HOTWORDS",
    "OF_SOME_MODELS",
    "ON_ERROR",
    "OWN",
    "OWN_OPTIONS",
    "WITHOUT_EFFECT",
]

#: What a call does with an input that fails.
ON_ERROR = ("raise", "return")
#: Engines are made with room for so many requests; each takes some bytes from the beginning.
_MOST_WAITING = 2**20
#: Threads cost memory, and no machine has so many cores for one process.
_MOST_THREADS = 1024


def _is_hotwords(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(_WORD.accepts(one) for pair in value.items() for one in pair)
    return isinstance(value, str) or _WORDS.accepts(value)


def _plain_hotwords(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {_WORD.plain(wrong): _WORD.plain(right) for wrong, right in value.items()}
    return value if isinstance(value, str) else _WORDS.plain(value)


def _is_device(value: Any) -> bool:
    return isinstance(value, str) or type(value).__name__ == "device"  # torch's


_WORD = Kind(
    "a str or a number",
    lambda one: one is None or NAME.accepts(one) or number().accepts(one),
    lambda one: None if one is None else str(one),
)
_WORDS = list_of(_WORD, "a list of str", most=10_000_000)
_NAMES = list_of(
    Kind("a str or a number", lambda v: NAME.accepts(v) or whole().accepts(v), str), "names"
)
_KEY = Kind(
    "a str or a list of them",
    lambda value: NAME.accepts(value) or _NAMES.accepts(value),
    lambda value: str(value) if isinstance(value, str) else _NAMES.plain(value),
)
_KINDS = list_of(NAME, "a list of str")
_DATA_TYPE = Kind(
    "a str or a list of them", lambda value: NAME.accepts(value) or _KINDS.accepts(value)
)
_DEVICE = Kind("a device's name (str)", _is_device, str)
_HOTWORD_LIST = Kind("a str, a list of str, or a dict of str", _is_hotwords, _plain_hotwords)
_PATHS = list_of(PATH, "paths", least=1)
_CHECKPOINTS = Kind(
    "a path (str or os.PathLike) or a list of them",
    lambda value: PATH.accepts(value) or _PATHS.accepts(value),
    lambda value: PATH.plain(value) if PATH.accepts(value) else _PATHS.plain(value),
)
_SECTION = Kind(
    f"a dict {PLAIN_DATA.words}",
    lambda value: DICT.accepts(value) and PLAIN_DATA.accepts(value),
    PLAIN_DATA.plain,
)
_RATE = whole("a rate in Hz, a whole number from 1000 to 768000", least=1000, most=768_000)
_SILERO_RATE = Kind("8000 or 16000", lambda value: value in (8000, 16000), int)
_NOT_NEGATIVE = number("a number that is not negative", least=0)

_HOSTS = list_of(NAME, "host names")
_URLS = Kind(
    "True, False, 'public', or a list of host names",
    lambda value: isinstance(value, bool) or value == "public" or _HOSTS.accepts(value),
    lambda value: value if isinstance(value, (bool, str)) else _HOSTS.plain(value),
)
_AUDIO_SECONDS = number("a number of seconds above 0", least=1e-3)
_BYTES = whole("a whole number of at least 1", least=1)
#: Above 0: nothing can be had in no time.
SECONDS = number("a number of seconds above 0", least=1e-9)
#: Options of a call that every model understands, or that only say how FunASR batches.
COMMON = Options(
    Option("key", _KEY, help="Name or names of the input."),
    Option("fs", _RATE, help="Rate of arrays and raw PCM; given, bytes may be raw PCM."),
    Option("data_type", _DATA_TYPE, help="sound, pcm, fbank, text, or (sound, text)."),
    Option("max_audio_seconds", _AUDIO_SECONDS, 36_000.0, help="The longest recording taken."),
    Option("strict_audio", FLAG, False, help="Refuse audio of which parts are damaged."),
    Option("output_dir", PATH, help="Directory for FunASR's result files."),
    Option("disable_pbar", FLAG, help="No progress bar."),
    Option("on_error", one_of(*ON_ERROR), "raise", help="What becomes of an input that fails."),
    Option("download_timeout", SECONDS, 30.0, help="Longest that a download may take, in s."),
    Option("max_download_bytes", _BYTES, 512 << 20, help="Largest download or list file."),
    *(
        Option(name, _NOT_NEGATIVE, help="Nothing depends on it here.")
        for name in "batch_size batch_size_s batch_size_threshold_s ncpu".split()
    ),
    *(
        Option(name, number(), help="Of beam search: without it nothing depends on it.")
        for name in ("maxlenratio", "minlenratio")
    ),
    Option("device", _DEVICE, help="Nothing depends on it here."),
    Option("lm_file", PATH, help="Nothing depends on it here."),
)
#: Options of the hotword correction; text/hotwords.py reads them.
HOTWORDS = Options(
    Option("postprocess_hotwords", _HOTWORD_LIST, help="Words, or wrong=>right."),
    Option("postprocess_hotword_file", PATH, help="A file of them."),
    Option(
        "postprocess_hotword_threshold",
        number("a number between 0.0 and 1.0", least=0, most=1),
        0.85,
        help="How much alike words must be.",
    ),
    Option("postprocess_hotword_fuzzy", FLAG, help="Also words that only sound alike."),
    Option("return_postprocess_hotword_matches", FLAG, help="Say what was corrected."),
)
#: Options that change results in some models: named in a warning where they do not.
OF_SOME_MODELS = frozenset(
    "hotword use_itn language nbest merge_vad merge_length_s sentence_timestamp "
    "return_spk_res return_spk_center preset_spk_num spk_mode "
    "en_post_proc return_raw_text cache is_final keywords beam_size decoding_ctc_weight lm_weight "
    "penalty".split()
)
#: FunASR's arguments of the constructor.
CONSTRUCTOR_OPTIONS = Options(
    *(
        Option(name, FLAG)
        for name in "disable_update disable_log disable_pbar trust_remote_code check_latest "
        "ignore_init_mismatch fp16 bf16 quantize".split()
    ),
    *(
        Option(name, NAME)
        for name in "punc_model_revision spk_model_revision vad_model_revision model_revision "
        "hub".split()
    ),
    Option("seed", whole()),
    Option("log_level", Kind("a str or a whole number", lambda v: isinstance(v, (str, int)))),
    Option("remote_code", PATH),
    Option("model_path", PATH),
    Option("ngpu", whole("a whole number of at least 0", least=0)),
    Option("ncpu", whole("a whole number of at least 0", least=0)),
    Option("dtype", ANY),
    Option("llm_dtype", ANY),
)
CONSTRUCTOR = frozenset(CONSTRUCTOR_OPTIONS)
#: Those of them that FunASR would heed, and nothing here does: named in a warning.
WITHOUT_EFFECT = frozenset("dtype llm_dtype remote_code ignore_init_mismatch".split())
#: Names of config.yaml at its top level: overrides of these go into the export.
CONFIG = Options(
    *(
        Option(name, _SECTION)
        for name in "model_conf encoder_conf decoder_conf predictor_conf frontend_conf "
        "tokenizer_conf ctc_conf specaug_conf".split()
    ),
    *(
        Option(name, NAME)
        for name in "encoder decoder predictor frontend tokenizer normalize specaug".split()
    ),
    Option("init_param", _CHECKPOINTS),
    Option("jieba_usr_dict", PATH),
    Option("silero_sampling_rate", _SILERO_RATE),
)
CONFIG_KEYS = frozenset(CONFIG)

_COUNT = whole("a whole number of at least 1", least=1)
_THREADS = whole(
    f"a whole number of at least 1 and at most {_MOST_THREADS}", least=1, most=_MOST_THREADS
)
_ROOM = whole(
    f"a whole number of at least 1 and at most {_MOST_WAITING}", least=1, most=_MOST_WAITING
)
#: Whoever waits longer for company waits for nobody.
_WAIT = number("a number that is not negative, of ms, and at most 60000", least=0, most=60_000)
#: Arguments of the constructor that FunASR does not have, or that are named there.
OWN_OPTIONS = Options(
    Option("model", PATH),
    Option("device", _DEVICE),
    Option("num_workers", _THREADS),
    Option("intra_op_threads", _THREADS),
    Option("max_batch_size", _ROOM),
    Option("max_batch_frames", whole("a whole number of at least 1", least=1, most=2**40)),
    Option("max_wait_ms", _WAIT),
    Option("queue_size", _ROOM),
    Option("max_streams", _COUNT),
    Option("timeout", TIME_LIMIT),
    Option("slow_request_s", TIME_LIMIT),
    Option("cuda_graphs", FLAG),
    Option("allow_urls", _URLS),
    Option("allow_paths", FLAG),
    Option("guarded", FLAG),
    Option("isolation", one_of("thread", "process")),
    Option("workers", whole("a whole number from 1 to 64", least=1, most=64)),
    Option("max_memory", _BYTES),
    Option("max_calls", _COUNT),
    Option("online_model", PATH),
    Option("vad_model", PATH),
    Option("vad_kwargs", DICT),
    Option("punc_model", PATH),
    Option("punc_kwargs", DICT),
    Option("spk_model", PATH),
    Option("spk_kwargs", DICT),
)
OWN = frozenset(OWN_OPTIONS)
