"""FunASR's options that belong to no family: what is accepted of them, and where."""

from __future__ import annotations

from safeasr.options.declared import ANY, FLAG, Option, Options, number

__all__ = ["COMMON", "CONFIG_KEYS", "CONSTRUCTOR", "HOTWORDS", "OF_SOME_MODELS", "OWN"]

#: Options of a call that every model understands, or that only say how FunASR batches.
COMMON = Options(
    Option("key", ANY, help="Name or names of the input."),
    Option("fs", number("a rate in Hz above 0", least=1), 16000, help="Rate of arrays."),
    Option("data_type", ANY, help="sound, fbank or text."),
    Option("output_dir", ANY, help="Directory for FunASR's result files."),
    Option("disable_pbar", ANY, help="No progress bar."),
    *(
        Option(name, ANY, help="Nothing depends on it here.")
        for name in "batch_size batch_size_s batch_size_threshold_s device ncpu lm_file "
        "maxlenratio minlenratio".split()
    ),
    Option("decoding_ctc_weight", number(), 0.0, help="Above 0: beam search, which is refused."),
    Option("lm_weight", number(), 0.0, help="Above 0: beam search, which is refused."),
)
#: Options of the hotword correction; text/hotwords.py checks them.
HOTWORDS = Options(
    Option("postprocess_hotwords", ANY, help="Words, or wrong=>right."),
    Option("postprocess_hotword_file", ANY, help="A file of them."),
    Option("postprocess_hotword_threshold", ANY, 0.85, help="How much alike words must be."),
    Option("postprocess_hotword_fuzzy", FLAG, help="Also words that only sound alike."),
    Option("return_postprocess_hotword_matches", FLAG, help="Say what was corrected."),
)
#: Options that change results in some models: named in a warning where they do not.
OF_SOME_MODELS = frozenset(
    "hotword use_itn language nbest merge_vad merge_length_s sentence_timestamp "
    "return_spk_res en_post_proc return_raw_text cache is_final".split()
)
#: FunASR's arguments of the constructor.
CONSTRUCTOR = frozenset(
    "disable_update disable_log disable_pbar seed log_level remote_code trust_remote_code "
    "punc_model punc_kwargs punc_model_revision spk_model spk_kwargs spk_model_revision spk_mode "
    "vad_model_revision ngpu ncpu hub model_path model_revision check_latest "
    "ignore_init_mismatch fp16 bf16 quantize dtype llm_dtype".split()
)
#: Arguments of the constructor that FunASR does not have, or that are named there.
OWN = frozenset(
    "model device num_workers max_batch_size max_batch_frames max_wait_ms queue_size max_streams "
    "timeout intra_op_threads cuda_graphs online_model vad_model vad_kwargs".split()
)
#: Names of config.yaml at its top level: overrides of these go into the export.
CONFIG_KEYS = frozenset(
    "model_conf encoder encoder_conf decoder decoder_conf predictor predictor_conf frontend "
    "frontend_conf tokenizer tokenizer_conf ctc_conf normalize specaug specaug_conf "
    "init_param jieba_usr_dict".split()
)
