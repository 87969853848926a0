"""Where a guarded model lives: in a thread of this process, or in a process of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol

from safeasr.errors import SafeASRError
from safeasr.guarded.failures import as_error, as_load_error
from safeasr.guarded.messages import Described, Request
from safeasr.guarded.own_model import OwnModel

__all__ = ["Backend", "InThread"]


class Backend(Protocol):
    """One copy of a model. All but :meth:`end` is called by one thread."""

    @property
    def endable(self) -> bool:
        """Whether it can be ended while it runs a call."""

    def start(self) -> Described:
        """Make the model.

        Raises:
            SafeASRError: if that fails.
        """

    @property
    def up(self) -> bool:
        """Whether there is a model."""

    def call(self, request: Request) -> dict[str, Any]:
        """FunASR's result.

        Raises:
            SafeASRError: if there is none.
        """

    def forget(self, stream: int) -> None:
        """Drop the state of a live stream."""

    def resident_bytes(self) -> int:
        """Memory of its process; 0 where it has none of its own. Any thread may ask."""

    def end(self, reason: SafeASRError | None = None) -> None:
        """End it at once, if it can be ended; any thread may.

        Args:
            reason: what a call that it runs then fails with; None: that it was ended.
        """

    def stop(self) -> None:
        """End it when nothing runs."""


class InThread:
    """A model in this process: it is called by whichever thread made it."""

    endable: Final = False

    def __init__(self, name: str, kwargs: Mapping[str, Any]) -> None:
        """Nothing is made yet.

        Args:
            name: of the model, for messages.
            kwargs: of FunASR's AutoModel.
        """
        self._name = name
        self._kwargs = kwargs
        self._model: OwnModel | None = None
        self._class = name

    def start(self) -> Described:
        """Make the model."""
        try:
            self._model = OwnModel(self._kwargs)
            described = self._model.described()
        except BaseException as error:  # also SystemExit: this is no thread of the user's
            raise as_load_error(error, self._name) from error
        self._class = described.model_class
        return described

    @property
    def up(self) -> bool:
        """Whether there is a model."""
        return self._model is not None

    def call(self, request: Request) -> dict[str, Any]:
        """FunASR's result."""
        assert self._model is not None
        try:
            return self._model.call(request)
        except BaseException as error:
            raise as_error(error, self._class) from error

    def forget(self, stream: int) -> None:
        """Drop the state of a live stream."""
        if self._model is not None:
            self._model.forget(stream)

    def resident_bytes(self) -> int:
        """It has no memory of its own that could be told from others'."""
        return 0

    def end(self, reason: SafeASRError | None = None) -> None:
        """A thread cannot be ended."""

    def stop(self) -> None:
        """Let go of the model."""
        self._model = None
