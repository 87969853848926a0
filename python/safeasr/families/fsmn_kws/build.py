"""The networks of FsmnKWS and FsmnKWSMT from FunASR's checkpoints."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from safeasr.bundles.settings import MOST_LAYERS, Settings
from safeasr.errors import UnsupportedModelError
from safeasr.families.checkpoints import load_parameters, require
from safeasr.families.fsmn_kws.network import FsmnHead
from safeasr.nets.ctc_candidates import CtcCandidates
from safeasr.nets.fsmn import FsmnTrunk, FsmnTrunkSizes, with_memories
from safeasr.nets.layers import Linear

__all__ = ["build_head", "build_trunk"]

_SIZES = {"least": 1, "most": 65536}
_ROWS = {"most": 1000}
#: Rows that a memory sees at most, with its strides.
_LONGEST = 10_000
_KEYS = frozenset(
    "input_dim input_affine_dim fsmn_layers linear_dim proj_dim lorder rorder lstride rstride "
    "output_affine_dim output_dim output_dim2 use_softmax".split()
)


def build_trunk(
    kind: str,
    encoder: str,
    config: Settings,
    weights: Mapping[str, Tensor],
    taken: set[str],
    input_size: int,
) -> tuple[FsmnTrunk, dict[str, Tensor]]:
    """The memories, with the checkpoint's weights in float32.

    Args:
        kind: FunASR's class of the model.
        encoder: FunASR's class of its encoder.
        config: config.yaml.
        weights: the checkpoint.
        taken: gets the names of the parameters that it takes.
        input_size: width of the features.

    Returns:
        The network; and the checkpoint as the heads and ``refuse_leftovers`` want it.

    Raises:
        UnsupportedModelError: if it is another network.
        ExportError: if the checkpoint does not fit.
    """
    require(kind, config, "encoder", encoder)
    require(kind, config, "normalize", None, "null")
    conf = config.section("encoder_conf")
    unknown = sorted(set(conf) - _KEYS)
    if unknown:
        raise UnsupportedModelError(f"encoder_conf.{'/'.join(unknown)} is not supported for {kind}")
    sizes = FsmnTrunkSizes(
        **{
            name: conf.whole(name, **_SIZES)
            for name in ("input_dim", "input_affine_dim", "linear_dim", "proj_dim")
        },
        fsmn_layers=conf.whole("fsmn_layers", least=1, most=MOST_LAYERS),
        lorder=conf.whole("lorder", least=1, **_ROWS),
        rorder=conf.whole("rorder", **_ROWS),
        lstride=conf.whole("lstride", least=1, **_ROWS),
        rstride=conf.whole("rstride", least=1, **_ROWS),
    )
    if sizes.span > _LONGEST:
        raise conf.wrong("lorder", f"with its stride a memory of {_LONGEST} rows at most")
    if sizes.input_dim != input_size:
        raise conf.wrong("input_dim", f"{input_size}, the size of the frontend's features")
    with torch.device("meta"):
        trunk = FsmnTrunk(sizes)
    prepared = with_memories(weights, sizes, "encoder.")
    taken |= load_parameters(trunk, prepared, "encoder.")
    return trunk, prepared


def build_head(
    config: Settings,
    weights: Mapping[str, Tensor],
    taken: set[str],
    vocab_size: int,
    *,
    second: bool = False,
) -> FsmnHead:
    """A head on the memories, with the checkpoint's weights in float32.

    Args:
        config: config.yaml, after :func:`build_trunk`.
        weights: as that gave them.
        taken: gets the names of the parameters that it takes.
        vocab_size: tokens.
        second: of two.

    Raises:
        ExportError: if the checkpoint does not fit.
    """
    conf, ctc = config.section("encoder_conf"), config.section("ctc_conf", optional=True)
    ending, key, name = ("_2", "output_dim2", "ctc2") if second else ("", "output_dim", "ctc")
    width, inner = conf.whole("linear_dim", **_SIZES), conf.whole("output_affine_dim", **_SIZES)
    scores = conf.whole(key, **_SIZES)

    def layer(size: int, out: int, prefix: str, *, wide: bool) -> Linear:
        with torch.device("meta"):
            made = Linear(size, out, wide=wide)
        taken.update(load_parameters(made, weights, prefix))
        return made

    first = layer(width, inner, f"encoder.out_linear1{ending}.linear.", wide=False)
    layers = [layer(inner, scores, f"encoder.out_linear2{ending}.linear.", wide=True)]
    if ctc.flag("extra_linear", True):
        layers.append(layer(scores, vocab_size, f"{name}.ctc_lo.", wide=True))
    return FsmnHead(first, CtcCandidates(*layers, normalised=conf.flag("use_softmax", True)))
