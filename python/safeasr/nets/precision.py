"""Reduced precision: what linear layers become in bfloat16, float16 and 8 bit integers.

Only linear layers change: they are nearly all of the work. Sums over layers, norms, memories,
softmax, CIF and the scores of tokens stay in float32. Between layers rows are bfloat16, or float16
in that precision, which is for accelerators: on the CPU it runs, slowly.
"""

# No postponed annotations: TorchScript reads those of attributes, and knows no strings.
from typing import Optional

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from safeasr.errors import ExportError
from safeasr.nets.layers import Linear, Narrow, Norm

__all__ = ["PRECISIONS", "Int8Linear", "NarrowLinear", "narrow"]

#: Names of precisions that a bundle can have.
PRECISIONS = ("float32", "bfloat16", "int8", "float16")


class NarrowLinear(nn.Module):
    """Weights, input and output in bfloat16 or float16; sums in float32.

    Args:
        linear: with the weights.
        kind: torch.bfloat16 or torch.float16.
    """

    weight: Tensor
    bias: Optional[Tensor]  # noqa: UP045

    def __init__(self, linear: nn.Linear, kind: torch.dtype) -> None:
        super().__init__()
        self.register_buffer("weight", _fitting(linear.weight, kind))
        bias = None if linear.bias is None else _fitting(linear.bias, kind)
        self.register_buffer("bias", bias)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight, self.bias)

    @torch.jit.export
    def relu(self, x: Tensor) -> Tensor:
        """The layer with a ReLU behind it."""
        return torch.relu(F.linear(x, self.weight, self.bias))


class Int8Linear(nn.Module):
    """Weights in 8 bits with a scale for each output, inputs in 8 bits with a scale for each row.

    A row's scale comes from the row alone, so that no utterance changes another's numbers. The
    operator is in csrc/asr/ops/int8_linear.h.
    """

    weight: Tensor
    scale: Tensor
    bias: Optional[Tensor]  # noqa: UP045

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight = linear.weight.detach().float()
        scale = weight.abs().amax(dim=1).clamp(min=1e-12) / 127.0
        self.register_buffer("weight", (weight / scale.unsqueeze(1)).round().to(torch.int8))
        self.register_buffer("scale", scale)
        self.register_buffer("bias", None if linear.bias is None else linear.bias.detach().float())

    def forward(self, x: Tensor) -> Tensor:
        return torch.ops.safeasr.int8_linear(x, self.weight, self.scale, self.bias, False)

    @torch.jit.export
    def relu(self, x: Tensor) -> Tensor:
        """The layer with a ReLU behind it."""
        return torch.ops.safeasr.int8_linear(x, self.weight, self.scale, self.bias, True)


def _fitting(weight: Tensor, kind: torch.dtype) -> Tensor:
    """Weights in a narrower type; ExportError if they go beyond what it can hold."""
    narrowed = weight.detach().to(kind)
    if not bool(torch.isfinite(narrowed).all()):
        raise ExportError(f"weights of the model go beyond {kind}: choose another precision")
    return narrowed


def narrow(network: nn.Module, precision: str) -> None:
    """Reduce the precision of a network's linear layers, in place.

    Args:
        network: built of :mod:`safeasr.nets.layers`, with its weights.
        precision: of :data:`PRECISIONS`; "float32" changes nothing.
    """
    if precision == "float32":
        return
    if precision not in PRECISIONS:
        raise ValueError(f"expected a precision of {', '.join(PRECISIONS)}, got {precision!r}")

    def replaced(linear: nn.Linear) -> nn.Module:
        if precision == "int8":
            return Int8Linear(linear)
        return NarrowLinear(linear, torch.float16 if float16 else torch.bfloat16)

    float16 = precision == "float16"
    for module in list(network.modules()):
        if isinstance(module, Norm):
            module.reduced = True
            module.narrow = not module.wide
            module.float16 = float16
        elif isinstance(module, Narrow):
            module.reduced = True
            module.float16 = float16
        for name, child in list(module.named_children()):
            if isinstance(child, Linear) and not child.wide:
                setattr(module, name, replaced(child))
