"""The models of a server by name: loaded at start or on demand, reloaded while they serve."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

from safeasr.auto_model import AutoModel
from safeasr.errors import SafeASRError, UnsupportedModelError
from safeasr.serve.imports import import_now
from safeasr.serve.problems import Problem, busy
from safeasr.serve.settings import Settings

__all__ = ["Served", "Shelf"]

_log = logging.getLogger("safeasr.serve")
#: Names that clients of OpenAI send because they must send one.
_ANY: Final = frozenset({"", "whisper-1", "default"})
_OPENAI: Final = ("gpt-", "whisper")
#: What a request may never do, whatever it is asked for.
_SAFE: Final = {"allow_urls": False, "allow_paths": False, "disable_pbar": True}


class Served:
    """A loaded model, and what it can do.

    Attributes:
        name: under which clients ask for it.
        model: the model.
        modes: of live sessions that it can serve, of "2pass", "online", "offline".
        recordings: whether it takes recordings.
        created: when it was loaded, in seconds since 1970.
        users: requests and sessions that use it now.
    """

    def __init__(self, name: str, model: AutoModel) -> None:
        """Find out what the model can do."""
        self.name = name
        self.model = model
        self.created = int(time.time())
        self.users = 0
        self.retired = False
        self.modes = frozenset(model.stream_modes)
        self.recordings = self._takes_recordings()
        self._takes = set(model.model.options)
        self.has_sentences = model.vad_model is not None
        self.has_speakers = model.spk_model is not None and model.vad_model is not None
        self.has_marks = model.punc_model is not None

    def _takes_recordings(self) -> bool:
        # A streaming model takes recordings, too, if FunASR's does.
        return self.model.model.task == "asr"

    def takes(self, option: str) -> bool:
        """Whether the recogniser knows an option."""
        return option in self._takes

    def asked(self, **options: Any) -> dict[str, Any]:
        """Those of some options that are given and that the recogniser knows."""
        return {
            name: value for name, value in options.items() if value is not None and self.takes(name)
        }


class Shelf:
    """Models by name.

    Who uses a model holds a lease; a model that is reloaded goes on until the last lease on the old
    one has ended.
    """

    def __init__(self, settings: Settings, load: Callable[..., AutoModel] = AutoModel) -> None:
        """Load nothing yet.

        Args:
            settings: names the models.
            load: makes a model of its arguments.
        """
        self._settings = settings
        self._load = load
        self._served: dict[str, Served] = {}
        self._loading: dict[str, asyncio.Lock] = {name: asyncio.Lock() for name in settings.models}
        self._closed = False
        #: Told of each model that takes the place under its name.
        self.on_loaded: list[Callable[[Served], None]] = []

    async def open(self) -> None:
        """Load what is to be there from the beginning.

        Raises:
            SafeASRError: if one of them cannot be loaded.
        """
        for name in self._settings.models:
            if name not in self._settings.on_demand:
                await self._loaded(name)

    def names(self) -> list[str]:
        """All that may be asked for."""
        return list(self._settings.models)

    def served(self) -> list[Served]:
        """Those that are loaded."""
        return list(self._served.values())

    def name_of(self, asked: str | None) -> str:
        """Which model is meant.

        Raises:
            Problem: none of that name (404).
        """
        if asked is not None and asked in self._settings.models:
            return asked
        if asked is None or asked in _ANY or asked.startswith(_OPENAI):
            return self._settings.default_model
        known = ", ".join(self._settings.models)
        raise Problem(
            404,
            f"there is no model {asked[:80]!r}; there are: {known}",
            "model_not_found",
            param="model",
        )

    @asynccontextmanager
    async def lease(self, asked: str | None) -> AsyncIterator[Served]:
        """A model for as long as one uses it.

        Raises:
            Problem: none of that name, or it cannot be loaded.
        """
        name = self.name_of(asked)
        served = self._served.get(name)
        if served is None:
            try:
                served = await self._loaded(name)
            except SafeASRError:
                _log.exception("model %r cannot be loaded", name)
                raise busy(f"model {name!r} cannot be loaded", "model_unavailable", 30) from None
        served.users += 1
        try:
            yield served
        finally:
            served.users -= 1
            if served.retired and not served.users:
                self._close_soon(served)

    async def reload(self, name: str) -> Served:
        """Load a model anew; whoever uses the old one keeps it until the end.

        Raises:
            Problem: none of that name.
            SafeASRError: it cannot be loaded; the old one stays.
        """
        name = self.name_of(name)
        async with self._loading[name]:
            return await self._replace(name)

    async def close(self) -> None:
        """Finish what was accepted and stop all models."""
        self._closed = True
        for served in self._served.values():
            await asyncio.to_thread(served.model.close)

    async def _loaded(self, name: str) -> Served:
        async with self._loading[name]:  # many may ask for it at once
            return self._served.get(name) or await self._replace(name)

    async def _replace(self, name: str) -> Served:
        began = time.monotonic()
        arguments = {**_SAFE, **self._settings.models[name]}
        served = await asyncio.to_thread(self._make, name, arguments)
        if self._closed:
            served.model.close(drain=False)
            raise busy("the server is stopping", "unavailable")
        before = self._served.get(name)
        self._served[name] = served
        for tell in self.on_loaded:
            tell(served)
        _log.info("model %r is loaded, in %.1f s", name, time.monotonic() - began)
        if before is not None:
            before.retired = True
            if not before.users:
                self._close_soon(before)
        return served

    def _make(self, name: str, arguments: Mapping[str, Any]) -> Served:
        model = self._load(**arguments)
        try:
            served = Served(name, model)
            if not (served.recordings or served.modes):
                raise UnsupportedModelError(f"model {name!r} recognises no speech")
            import_now(speakers=served.has_speakers)
        except BaseException:
            model.close(drain=False)
            raise
        return served

    @staticmethod
    def _close_soon(served: Served) -> None:
        """Nobody uses it any more; ending its workers may take a moment."""

        def close() -> None:
            with suppress(SafeASRError):
                served.model.close()

        threading.Thread(target=close, daemon=True, name="safeasr-retire").start()
