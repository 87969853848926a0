"""Batch norms of trained networks, as parts of the layers before them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

__all__ = ["fold_batch_norms", "linear_of_taps", "scale_and_shift"]


def fold_batch_norms(network: nn.Module) -> None:
    """Fold each 2-D batch norm into the convolution before it, in place.

    Those are what stands before it in an ``nn.Sequential``, and elsewhere what is named alike:
    ``conv1`` and ``bn1``, ``convs`` and ``bns``. Convolutions get weights whose channels come last.
    """
    for name, child in list(network.named_children()):
        if isinstance(child, nn.BatchNorm2d):
            before = str(int(name) - 1) if name.isdigit() else name.replace("bn", "conv")
            _fold(network, before, network, name)
        elif isinstance(child, nn.ModuleList) and name == "bns":
            convs = network.get_submodule("convs")
            for number in range(len(child)):
                _fold(convs, str(number), child, str(number))
        else:
            fold_batch_norms(child)


def _fold(conv_of: nn.Module, conv_name: str, norm_of: nn.Module, norm_name: str) -> None:
    conv, norm = conv_of.get_submodule(conv_name), norm_of.get_submodule(norm_name)
    assert isinstance(conv, nn.Conv2d)
    assert isinstance(norm, nn.BatchNorm2d)
    folded: Any = fuse_conv_bn_eval(conv.eval(), norm.eval())
    setattr(conv_of, conv_name, folded.to(memory_format=torch.channels_last))
    setattr(norm_of, norm_name, nn.Identity())


def scale_and_shift(norm: nn.BatchNorm1d) -> tuple[Tensor, Tensor]:
    """What it multiplies each channel by, and adds then."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = (norm.running_var + norm.eps).rsqrt()
    if norm.affine:
        scale = scale * norm.weight
    shift = -norm.running_mean * scale
    if norm.affine:
        shift = shift + norm.bias
    return scale.detach(), shift.detach()


def linear_of_taps(conv: nn.Conv1d, norm: nn.BatchNorm1d | None = None) -> nn.Linear:
    """A convolution over time as a layer of rows that hold its taps one behind the other.

    Args:
        conv: (channels, kernel) to channels.
        norm: the batch norm behind it, which becomes a part of it.
    """
    weight = conv.weight.detach().transpose(1, 2).flatten(1)
    bias = None if conv.bias is None else conv.bias.detach()
    if norm is not None:
        scale, shift = scale_and_shift(norm)
        weight = weight * scale[:, None]
        bias = shift if bias is None else bias * scale + shift
    made = nn.Linear(weight.size(1), weight.size(0), bias=bias is not None, device="meta")
    made.weight = nn.Parameter(weight.contiguous())
    if bias is not None:
        made.bias = nn.Parameter(bias.clone())
    return made
