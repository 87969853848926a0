"""A model in a process of its own, seen from this one."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import weakref
from collections.abc import Mapping, Sequence
from multiprocessing import spawn
from typing import Any, Final

from safeasr.calls.os_threads import allocate_rlock, original
from safeasr.errors import OptionError, SafeASRError, WorkerCrashedError
from safeasr.guarded.failures import Failure, as_error, as_load_error, crashed
from safeasr.guarded.messages import Answer, Described, Forget, Request, SetUp
from safeasr.guarded.wire import Channel
from safeasr.options.kinds import shown

__all__ = ["InProcess"]

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
#: All that have a process: a child made by fork must not hold their pipes open.
_all: weakref.WeakSet[InProcess] = weakref.WeakSet()


class _Running:
    """A process and the way to it."""

    def __init__(self, sys_path: Sequence[str]) -> None:
        """Start it; the calling thread must live as long as it shall.

        Args:
            sys_path: where it finds modules.
        """
        ours_in, theirs_out = os.pipe()
        theirs_in, ours_out = os.pipe()
        program = (
            f"import sys; sys.path[:] = {list(sys_path)!r}\n"
            "from safeasr.guarded.child import main\n"
            f"main({theirs_in}, {theirs_out}, {os.getpid()})"
        )
        python = os.fsdecode(spawn.get_executable() or sys.executable)
        try:
            self.pid: int = original("os", "posix_spawn")(
                python,
                [python, "-c", program],
                dict(os.environ),
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    # Each onto itself: that is how a descriptor stays open in the new program.
                    (os.POSIX_SPAWN_DUP2, theirs_in, theirs_in),
                    (os.POSIX_SPAWN_DUP2, theirs_out, theirs_out),
                ],
                # Ctrl-C goes to a terminal's whole group, and what the model starts is in this one.
                setpgroup=0,
                setsigmask=[],
                setsigdef=[signal.SIGINT, signal.SIGPIPE, signal.SIGTERM],
            )
        except BaseException:
            for one in (ours_in, ours_out):
                os.close(one)
            raise
        finally:
            os.close(theirs_in)
            os.close(theirs_out)
        self.channel = Channel(ours_in, ours_out)
        self.killed = False
        self._lock = allocate_rlock()
        self._ended = False
        try:
            self._handle: int | None = os.pidfd_open(self.pid)
        except (OSError, AttributeError):  # an old kernel: then only its pipes tell of its end
            self._handle = None

    def receive(self) -> Any:
        """The next message; EOFError if the process has ended, whoever else has its pipes."""
        if self._handle is not None:
            poll = original("select", "poll")()
            poll.register(self.channel.reader, select.POLLIN)
            poll.register(self._handle, select.POLLIN)
            ready = [descriptor for descriptor, _ in poll.poll()]
            if self.channel.reader not in ready:
                raise EOFError("the process has ended")
        return self.channel.receive()

    def kill(self) -> None:
        """End it and what it has started."""
        with self._lock:
            self.killed = True
            if not self._ended:
                for kill in (os.killpg, os.kill):
                    with contextlib.suppress(OSError):
                        kill(self.pid, signal.SIGKILL)

    def reap(self) -> int | None:
        """Wait for its end, which must be near; how it ended, if anybody knows."""
        self.channel.close()
        self.kill()
        status: int | None = None
        with contextlib.suppress(ChildProcessError):  # somebody waits for all children
            status = os.waitstatus_to_exitcode(original("os", "waitpid")(self.pid, 0)[1])
        with self._lock:
            self._ended = True
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
        return status

    def resident_bytes(self) -> int:
        """Its memory; 0 if it has ended."""
        with self._lock:
            if self._ended:
                return 0
            try:
                with open(f"/proc/{self.pid}/statm", "rb") as file:
                    return int(file.read().split()[1]) * _PAGE
            except (OSError, ValueError, IndexError):
                return 0


class InProcess:
    """A model in a process of its own. After its end :meth:`start` makes another."""

    endable: Final = True

    def __init__(self, name: str, kwargs: Mapping[str, Any]) -> None:
        """Nothing is started yet.

        Args:
            name: of the model, for messages.
            kwargs: of FunASR's AutoModel.
        """
        self._name = name
        self._setup = SetUp(dict(kwargs), tuple(sys.path))
        self._running: _Running | None = None
        self._reason: SafeASRError | None = None
        self._class = name
        _all.add(self)

    def start(self) -> Described:
        """Start a process and wait until it has the model."""
        if self._running is not None:
            self._gone("")
        self._reason = None
        try:
            running = self._running = _Running(self._setup.sys_path)
        except OSError as error:
            raise as_load_error(error, self._name) from error
        try:
            running.channel.send(self._setup)
            answer = running.receive()
        except (EOFError, OSError):
            raise self._gone(f"while it loaded {self._name}") from None
        except BaseException as error:
            self._gone("")
            raise as_load_error(error, self._name) from error
        if isinstance(answer, Failure):
            self._gone("")
            raise as_load_error(answer, self._name)
        described: Described = answer
        self._class = described.model_class
        return described

    def _gone(self, what: str) -> SafeASRError:
        """Clear up after a process that has ended, or shall; the error that says so."""
        running, self._running = self._running, None
        status = None if running is None else running.reap()
        return self._reason or crashed(status, what)

    @property
    def up(self) -> bool:
        """Whether there is a process, and nobody has ended it."""
        running = self._running
        return running is not None and not running.killed

    @property
    def pid(self) -> int | None:
        """Its number."""
        running = self._running
        return None if running is None else running.pid

    def call(self, request: Request) -> dict[str, Any]:
        """FunASR's result."""
        running = self._running
        if running is None:
            raise WorkerCrashedError("the model has no process")
        try:
            running.channel.send(request)
        except OSError:
            pass  # it has ended, as is found next
        except BaseException as error:
            raise OptionError(
                f"what was given cannot be sent to the model's process: {shown(error)}"
            ) from error
        try:
            answer: Answer = running.receive()
        except (EOFError, OSError):
            raise self._gone("while it ran the call") from None
        except BaseException as error:
            if running.channel.broken:
                raise self._gone("in the middle of an answer") from error
            raise as_error(error, self._class) from error
        if answer.failed is not None:
            raise as_error(answer.failed, self._class)
        result: dict[str, Any] = answer.result
        return result

    def forget(self, stream: int) -> None:
        """Drop the state of a live stream."""
        running = self._running
        if running is not None:
            with contextlib.suppress(OSError):  # the next call finds out
                running.channel.send(Forget(stream))

    def resident_bytes(self) -> int:
        """Memory of the process, now."""
        running = self._running
        return 0 if running is None else running.resident_bytes()

    def end(self, reason: SafeASRError | None = None) -> None:
        """End the process; whoever waits for it hears of that."""
        running = self._running
        if running is not None:
            self._reason = self._reason or reason
            running.kill()

    def stop(self) -> None:
        """End the process while it has nothing to do."""
        self._gone("")

    def forked(self) -> None:
        """In a child of this process: let go of the pipes, which are the parent's."""
        running, self._running = self._running, None
        if running is not None:
            running.channel.close()


def _after_fork() -> None:
    for one in list(_all):
        one.forked()


os.register_at_fork(after_in_child=_after_fork)
