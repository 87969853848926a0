"""How a guarded model runs: the arguments of ``AutoModel`` that are about nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from safeasr.errors import OptionError

__all__ = ["ARGUMENTS", "GuardSettings", "guard_settings"]

#: Names of the arguments that have no meaning for native models.
ARGUMENTS: Final = ("isolation", "workers", "max_memory", "max_calls")
_OF_PROCESSES: Final = ("workers", "max_memory", "max_calls")


@dataclass(frozen=True)
class GuardSettings:
    """How a guarded model runs.

    Attributes:
        wanted: True: guarded whatever the class; False: never; None: where no family runs it.
        isolation: "thread" or "process".
        workers: processes that have the model, each; 1 with "thread".
        max_memory: resident bytes of a process beyond which it is replaced; None: no limit.
        max_calls: calls after which a process is replaced; None: no limit.
        given: names of those arguments that somebody gave.
    """

    wanted: bool | None = None
    isolation: str = "thread"
    workers: int = 1
    max_memory: int | None = None
    max_calls: int | None = None
    given: tuple[str, ...] = ()

    @property
    def in_processes(self) -> bool:
        """Whether the model lives in processes of its own."""
        return self.isolation == "process"


def guard_settings(arguments: Mapping[str, Any]) -> GuardSettings:
    """The arguments as ``AutoModel`` has them, already of the right kinds.

    Raises:
        OptionError: for those of processes without ``isolation="process"``.
    """
    isolation = arguments.get("isolation", "thread")
    given = tuple(name for name in ARGUMENTS if arguments.get(name) is not None)
    for name in _OF_PROCESSES:
        if name in given and isolation != "process":
            raise OptionError(
                f"{name}={arguments[name]!r} needs isolation='process': a thread shares its "
                "process with all others"
            )
    return GuardSettings(
        wanted=arguments.get("guarded"),
        isolation=isolation,
        workers=arguments.get("workers") or 1,
        max_memory=arguments.get("max_memory"),
        max_calls=arguments.get("max_calls"),
        given=given,
    )
