"""The libraries that run the exported ONNX files: funasr_onnx, sherpa-onnx, ONNX Runtime bare."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml
from numpy.typing import NDArray

from benchmarks.peers.exported import SHERPA, SPM, model_file, read_cmvn
from benchmarks.peers.setups import Setup

if TYPE_CHECKING:
    from benchmarks.peers.adapters import Files

RATE = 16000
Samples = NDArray[np.float32]
#: SenseVoice's numbers of a language and a text style, as its export takes them.
LANGUAGE_AUTO, WITHOUT_ITN = 0, 15


class FunAsrOnnx:
    """The funasr_onnx package, FunASR's own run-time for its exports."""

    def __init__(self, files: Files, setup: Setup) -> None:
        import funasr_onnx

        logging.disable(logging.WARNING)
        self.notes: list[str] = []
        self._options: dict[str, Any] = {}
        made = funasr_onnx.Paraformer
        if files.family == "sense-voice":
            made = funasr_onnx.SenseVoiceSmall
            self._options = {"language": "auto", "textnorm": "woitn"}
        self._model = made(
            str(files.exported),
            batch_size=max(1, setup.batch),
            quantize=setup.precision == "int8",
            intra_op_num_threads=setup.threads,
        )
        if files.family == "paraformer":
            self._forgive_tokens()
        # It takes one array or a list of files; a list of arrays is all that is added here.
        self._model.load_data = lambda audio, _rate=None: list(audio)

    def _forgive_tokens(self) -> None:
        from funasr_onnx import paraformer_bin

        from safeasr.text.sentence import sentence_postprocess

        strict = paraformer_bin.sentence_postprocess

        def forgiving(words: list[str], *times: Any) -> Any:
            try:
                return strict(words, *times)
            except ValueError:
                return sentence_postprocess(words).text, words

        paraformer_bin.sentence_postprocess = forgiving
        self.notes.append(
            "funasr_onnx raises ValueError for a whole batch if a text has tokens like 'that_', "
            "which random weights give and trained ones hardly; safeasr's rules join them here"
        )

    def transcribe(self, audio: Sequence[Any]) -> list[str]:
        self._model.batch_size = len(audio)
        results = self._model(list(audio), **self._options)
        return [_funasr_onnx_text(one) for one in results]

    def stats(self) -> dict[str, Any]:
        return {}

    def close(self) -> None:
        del self._model


def _funasr_onnx_text(result: Any) -> str:
    if isinstance(result, str):
        return result
    preds = result["preds"]  # (text, words), or the text alone where there are timestamps
    return str(preds if isinstance(preds, str) else preds[0])


class Features:
    """Filterbank, LFR and CMVN with kaldi-native-fbank and numpy, as FunASR's frontend has them."""

    def __init__(self, files: Files) -> None:
        import kaldi_native_fbank as knf

        conf = yaml.safe_load((files.directory / "config.yaml").read_text(encoding="utf-8"))
        conf = conf["frontend_conf"]
        options = knf.FbankOptions()
        options.frame_opts.samp_freq = conf["fs"]
        options.frame_opts.dither = 0.0
        options.frame_opts.window_type = conf["window"]
        options.frame_opts.frame_shift_ms = float(conf["frame_shift"])
        options.frame_opts.frame_length_ms = float(conf["frame_length"])
        options.frame_opts.snip_edges = True
        options.mel_opts.num_bins = conf["n_mels"]
        options.energy_floor = 0.0
        self._knf, self._options = knf, options
        self._size, self._step = int(conf["lfr_m"]), int(conf["lfr_n"])
        self._shift, self._scale = read_cmvn(files.directory / "am.mvn")

    def __call__(self, samples: Samples) -> Samples:
        """Features of shape [frames, lfr_m * n_mels]."""
        bank = self._knf.OnlineFbank(self._options)
        bank.accept_waveform(RATE, (samples * 32768.0).tolist())
        bank.input_finished()
        rows = np.stack([bank.get_frame(i) for i in range(bank.num_frames_ready)])
        count = -(-len(rows) // self._step)
        left = (self._size - 1) // 2
        right = max(0, (count - 1) * self._step + self._size - left - len(rows))
        rows = np.pad(rows, ((left, right), (0, 0)), "edge")
        places = np.arange(count)[:, None] * self._step + np.arange(self._size)
        stacked = rows[places].reshape(count, -1)
        return np.asarray((stacked + self._shift) * self._scale, np.float32)


class Exported:
    """What stands around an exported network: features before it, arg max and text after it."""

    def __init__(self, files: Files) -> None:
        self._features = Features(files)
        self._ctc = files.family == "sense-voice"
        if self._ctc:
            import sentencepiece

            self._pieces = sentencepiece.SentencePieceProcessor(str(files.exported / SPM))
        else:
            names = (files.directory / "tokens.json").read_text(encoding="utf-8")
            self._tokens: list[str] = json.loads(names)

    def inputs(self, audio: Sequence[Samples]) -> list[NDArray[Any]]:
        """The network's inputs for some utterances, which are padded to the longest of them."""
        features = [self._features(one) for one in audio]
        lengths = np.array([len(one) for one in features], np.int32)
        batch = np.zeros((len(features), int(lengths.max()), features[0].shape[1]), np.float32)
        for row, one in zip(batch, features, strict=True):
            row[: len(one)] = one
        given: list[NDArray[Any]] = [batch, lengths]
        if self._ctc:
            given.append(np.full(len(features), LANGUAGE_AUTO, np.int32))
            given.append(np.full(len(features), WITHOUT_ITN, np.int32))
        return given

    def texts(self, scores: NDArray[np.float32], counts: NDArray[Any]) -> list[str]:
        """The texts of the network's scores [utterances, tokens, vocabulary]."""
        ids = scores.argmax(-1)
        read = self._greedy if self._ctc else self._sentence
        return [read(row[: int(count)]) for row, count in zip(ids, counts, strict=True)]

    def _sentence(self, ids: NDArray[np.int64]) -> str:
        from safeasr.text.sentence import ids_to_tokens, sentence_postprocess

        return sentence_postprocess(ids_to_tokens(ids.tolist(), self._tokens)).text

    def _greedy(self, ids: NDArray[np.int64]) -> str:
        changed = np.concatenate(([True], ids[1:] != ids[:-1]))
        kept = ids[changed & (ids != 0)]
        return str(self._pieces.decode(kept.tolist()))


class OnnxRuntime:
    """ONNX Runtime without a library around it: features, one ``run``, arg max, text."""

    def __init__(self, files: Files, setup: Setup, profile: str = "") -> None:
        import onnxruntime as ort

        options = ort.SessionOptions()
        if profile:
            options.enable_profiling, options.profile_file_prefix = True, profile
        options.intra_op_num_threads = setup.threads
        options.log_severity_level = 3
        self.notes: list[str] = []
        self._session = ort.InferenceSession(
            str(model_file(files.exported, setup.precision)),
            options,
            providers=["CPUExecutionProvider"],
        )
        self._inputs = [one.name for one in self._session.get_inputs()]
        self._around = Exported(files)

    def transcribe(self, audio: Sequence[Any]) -> list[str]:
        given = dict(zip(self._inputs, self._around.inputs(audio), strict=True))
        scores, counts = self._session.run(None, given)[:2]
        return self._around.texts(scores, counts)

    def end_profile(self) -> str:
        """The file of the profile that was asked for."""
        return str(self._session.end_profiling())

    def stats(self) -> dict[str, Any]:
        return {}

    def close(self) -> None:
        del self._session


class SherpaOnnx:
    """sherpa-onnx on the exported file, with the metadata that it wants in it."""

    def __init__(self, files: Files, setup: Setup) -> None:
        import sherpa_onnx

        self.notes: list[str] = []
        if files.family == "paraformer":
            self.notes.append(
                "sherpa-onnx reads a text up to the end mark and not up to the number of tokens "
                "that the model gives; random weights give no end mark, so in batches its texts "
                "run on into the padding"
            )
        model = str(model_file(files.exported / SHERPA, setup.precision))
        tokens = str(files.exported / SHERPA / "tokens.txt")
        made = sherpa_onnx.OfflineRecognizer
        if files.family == "sense-voice":
            self.notes.append(
                "sherpa-onnx leaves out the first four tokens, which are SenseVoice's tags in "
                "trained models and may be words with random weights"
            )
            self._recognizer = made.from_sense_voice(
                model=model, tokens=tokens, num_threads=setup.threads, use_itn=False
            )
        else:
            self._recognizer = made.from_paraformer(
                paraformer=model, tokens=tokens, num_threads=setup.threads
            )

    def transcribe(self, audio: Sequence[Any]) -> list[str]:
        streams = []
        for one in audio:
            stream = self._recognizer.create_stream()
            stream.accept_waveform(RATE, one)
            streams.append(stream)
        self._recognizer.decode_streams(streams)
        return [str(one.result.text) for one in streams]

    def stats(self) -> dict[str, Any]:
        return {}

    def close(self) -> None:
        del self._recognizer
