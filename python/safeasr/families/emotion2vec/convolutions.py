"""The layers over samples, which config.yaml writes as an expression of Python.

FunASR evaluates it, whatever it says. Here it may be lists of tuples of three whole numbers, added
and repeated, and nothing else.
"""

from __future__ import annotations

import ast

from safeasr.bundles.settings import MOST_LAYERS, Settings

__all__ = ["read_convolutions"]

_Layers = list[tuple[int, int, int]]
#: Channels, kernels and strides are no larger.
_MOST = 4096
_EXPECTED = "layers as '[(512, 10, 5)] + [(512, 3, 2)] * 4': (channels, kernel, stride)"


def read_convolutions(conf: Settings, key: str) -> tuple[tuple[int, int, int], ...]:
    """Channels, kernel and stride of each layer.

    Args:
        conf: a section of config.yaml.
        key: of the expression.

    Raises:
        ExportError: if it is something else.
    """
    text = conf.text(key)
    try:
        if len(text) > 10_000:
            raise ValueError("too long")
        layers = _layers(ast.parse(text.strip(), mode="eval").body)
        if not 0 < len(layers) <= MOST_LAYERS:
            raise ValueError("no layers, or too many")
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        raise conf.wrong(key, _EXPECTED) from None
    return tuple(layers)


def _layers(node: ast.expr) -> _Layers:
    if isinstance(node, ast.List):
        return [_layer(one) for one in node.elts]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _layers(node.left) + _layers(node.right)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        times = _whole(node.right)
        layers = _layers(node.left)
        if times * len(layers) > MOST_LAYERS:
            raise ValueError("too many")
        return layers * times
    raise ValueError("something else")


def _layer(node: ast.expr) -> tuple[int, int, int]:
    if not isinstance(node, ast.Tuple):
        raise ValueError("no tuple")
    channels, kernel, stride = (_whole(one) for one in node.elts)
    return channels, kernel, stride


def _whole(node: ast.expr) -> int:
    if not isinstance(node, ast.Constant) or type(node.value) is not int:
        raise ValueError("no whole number")
    if not 1 <= node.value <= _MOST:
        raise ValueError("out of range")
    return node.value
