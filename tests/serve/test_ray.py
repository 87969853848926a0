"""Two replicas behind Ray Serve; where Ray is installed (``make ray``)."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path

import pytest

from support.processes import child_environment, run_to_end
from support.serving import free_port

DRIVER = Path(__file__).with_name("ray_driver.py")


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="needs ray, half a gigabyte: make ray"
)
def test_replicas_come_and_go_and_nothing_is_lost() -> None:
    command = [sys.executable, "-W", "ignore", str(DRIVER), str(free_port())]
    environment = {**child_environment(), "RAY_AUTH_MODE": "disabled"}
    done = run_to_end(command, timeout=420, env=environment)
    assert done.returncode == 0, done.stderr[-4000:]
    told = json.loads(done.stdout.splitlines()[-1])
    print({name: told[name] for name in ("grown_after_s", "shrunk_after_s")}, os.cpu_count())
    assert told["recordings"].keys() == {told["text_alone"]}, "a recording got another text"
    assert len(told["alone"]) > 5
    again = 0
    for session in told["sessions"]:
        again += session["again"]
        # The sentence that was open is said anew, and may be cut elsewhere: no other differs.
        missing = [one for one in told["alone"] if one not in session["sentences"]]
        assert len(missing) <= session["again"], session
    assert again, "the replica that was killed had no session"
