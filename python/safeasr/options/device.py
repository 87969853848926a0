"""Which device a model runs on."""

from __future__ import annotations

from safeasr.warn import warn

__all__ = ["pick_device"]


def _usable(kind: str) -> bool:
    """Whether torch has devices of a kind here, with streams as CUDA has them."""
    import torch

    if kind == "cuda":
        return torch.cuda.is_available()
    if kind not in ("xpu", torch._C._get_privateuse1_backend_name()):
        return False
    module = getattr(torch, kind, None)
    return module is not None and bool(module.is_available())


def pick_device(device: str | None, ngpu: int) -> str:
    """The device or devices to use; like FunASR, the CPU where there is no such accelerator.

    Returns:
        "cpu", a device ("cuda", "cuda:1"), or several of one kind ("cuda:0,cuda:1").
    """
    import torch

    wanted = str(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    if ngpu == 0:
        return "cpu"
    kinds = {name.strip().split(":")[0] for name in wanted.split(",")}
    if kinds == {"cpu"}:
        return "cpu"
    if len(kinds) == 1 and _usable(*kinds):
        return wanted
    state = "available" if kinds == {"cuda"} else "supported"
    warn(f"device={wanted!r} is not {state}: running on the CPU")
    return "cpu"
