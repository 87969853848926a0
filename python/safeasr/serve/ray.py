"""The same application behind Ray Serve: replicas on several machines, as many as the work needs.

Needs ``pip install 'ray[serve]'``. See docs/deployment.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

from ray import serve
from ray.serve.config import AutoscalingConfig, AutoscalingContext, AutoscalingPolicy
from starlette.applications import Starlette

from safeasr.serve.application import create_app
from safeasr.serve.settings import Settings

__all__ = ["ByWork", "Scale", "application"]

#: What a replica tells of itself.
_WAITING: Final = "waiting"
_RECORDINGS: Final = "recordings"
_UTTERANCES: Final = "utterances"


@dataclass(frozen=True)
class Scale:
    """How many replicas, and what each is for.

    A replica is for a whole machine, or a GPU: the engine inside batches across all its clients, so
    many small replicas would be slower than one large one.

    Attributes:
        least: replicas that are always there.
        most: replicas at most.
        waiting: requests that may wait in the engine of a replica before another one is started.
        recordings: that one replica works on at a time, those that wait included.
        utterances: that one replica hears at a time.
        cpus: processors that Ray reserves for a replica; give it a whole machine.
        gpus: likewise.
        grow_after_s: how long there must be too much to do before there is one more.
        shrink_after_s: how long too little before there is one less.
    """

    least: int = 1
    most: int = 4
    waiting: float = 8.0
    recordings: float = 32.0
    utterances: float = 100.0
    cpus: float = 1.0
    gpus: float = 0.0
    grow_after_s: float = 5.0
    shrink_after_s: float = 300.0


class _Replica:
    """One process with its models."""

    def __init__(self, settings: Settings) -> None:
        self._app = create_app(settings)

    def __serve_build_asgi_app__(self) -> Starlette:
        """What Ray serves."""
        return self._app

    async def record_autoscaling_stats(self) -> dict[str, float]:
        """What the number of replicas follows."""
        service = self._app.state.service
        return {
            _WAITING: float(service.waiting()),
            _RECORDINGS: float(service.gate.requests),
            _UTTERANCES: float(service.gate.utterances),
        }

    async def check_health(self) -> None:
        """Raise if this one must be replaced."""
        service = self._app.state.service
        if service.failure is not None:
            raise RuntimeError("the models of this replica cannot be loaded")
        if any(served.model.closed for served in service.shelf.served()):
            raise RuntimeError("a model of this replica is closed")


class ByWork:
    """Ray's controller asks it how many replicas there should be."""

    def __init__(self, waiting: float, recordings: float, utterances: float) -> None:
        """Take what one replica is for; see :class:`Scale`."""
        self._each = {_WAITING: waiting, _RECORDINGS: recordings, _UTTERANCES: utterances}

    def __call__(self, context: AutoscalingContext) -> tuple[int, dict[str, Any]]:
        """As many as the part of the work needs that needs most."""
        told = context.aggregated_metrics or {}
        work = {name: sum((told.get(name) or {}).values()) for name in self._each}
        # What waits at Ray's door has found no replica yet.
        work[_RECORDINGS] += context.total_queued_requests or 0.0
        return max(1, *(math.ceil(work[name] / each) for name, each in self._each.items())), {}


def application(settings: Settings | None = None, scale: Scale | None = None) -> serve.Application:
    """For ``ray.serve.run``, or an import path in Ray's config file.

    A websocket stays on the replica that accepted it. A replica that is to go gets no new
    connections and ends when the last one of its own has; Ray cuts what is longer than
    ``session_s`` + ``drain_s`` of the limits allow. Clients of :mod:`safeasr.client` reconnect.

    Args:
        settings: as of ``create_app``. Of its limits ``session_s`` should be short (half an hour):
            no replica can go sooner.
        scale: see there.
    """
    settings = Settings() if settings is None else settings
    scale = Scale() if scale is None else scale
    limits = settings.limits
    deployment = serve.deployment(
        serve.ingress()(_Replica),
        name="safeasr",
        # Who may come in the replica's own gate says, with a status that clients understand.
        max_ongoing_requests=limits.max_connections + 2 * limits.max_requests,
        graceful_shutdown_timeout_s=limits.session_s + limits.drain_s,
        ray_actor_options={"num_cpus": scale.cpus, "num_gpus": scale.gpus},
        autoscaling_config=AutoscalingConfig(
            min_replicas=scale.least,
            max_replicas=scale.most,
            look_back_period_s=10.0,
            upscale_delay_s=scale.grow_after_s,
            downscale_delay_s=scale.shrink_after_s,
            policy=AutoscalingPolicy(
                policy_function=f"{__name__}:{ByWork.__name__}",
                policy_kwargs={
                    _WAITING: scale.waiting,
                    _RECORDINGS: scale.recordings,
                    _UTTERANCES: scale.utterances,
                },
            ),
        ),
    )
    return deployment.bind(settings)
