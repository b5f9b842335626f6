"""A real Redis server of a test's own, which can be stopped in its tracks, killed and started again."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.lib.processes import free_port

_WITHIN_S = 60.0


class RedisServer:
    """A server on a free port that keeps nothing on disk."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._port = folder, free_port()
        self.url = f"redis://127.0.0.1:{self._port}/0"
        self._process = self._started()

    def pause(self) -> None:
        """Let it take connections and answer nothing."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        self.resume()
        self._process.kill()
        self._process.wait(_WITHIN_S)

    def start(self) -> None:
        """Start it again, empty, at the same address."""
        self._process = self._started()

    def restart(self) -> None:
        """Kill it and start it again."""
        self.stop()
        self.start()

    def _started(self) -> subprocess.Popen[bytes]:
        import redis

        process = subprocess.Popen(
            ["redis-server", "--port", str(self._port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
             "--dir", str(self._folder)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        client, deadline = redis.Redis.from_url(self.url), time.monotonic() + _WITHIN_S
        while True:
            try:
                client.ping()
            except redis.ConnectionError:
                assert time.monotonic() < deadline, "redis-server does not answer"
                assert process.poll() is None, "redis-server has ended"
            else:
                client.close()
                return process


def redis_or_skip(folder: Path) -> RedisServer:
    """Start a server; skip the test where the program or its driver is not installed."""
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed")
    pytest.importorskip("redis", reason="the driver of Redis is not installed")
    return RedisServer(folder)
