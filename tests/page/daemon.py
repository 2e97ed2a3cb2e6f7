"""A daemon of the test's own, whose actors may be disturbed."""

import http.client
import json
import os
import pathlib
import random
import signal
import socket
import subprocess
import tempfile
import threading
import time

PATIENCE = 60


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


class Daemon:
    """`everwarm run` in a folder that goes with it; stopped and started again at one address."""

    def __init__(self, binary, *arguments):
        self.folder = tempfile.TemporaryDirectory(prefix="everwarm-page-")
        self.data = pathlib.Path(self.folder.name) / "data"
        self.port = free_port()
        self.config = pathlib.Path(self.folder.name) / "mine.toml"
        self.config.write_text("[trading]\nnotional = 500\n")
        self.command = [binary, "run", "--data-dir", str(self.data)]
        self.command += ["--config", str(self.config), *arguments]
        self.start()

    def start(self, chaos=True):
        told = {
            "EVERWARM_CHAOS__ENABLED": "true" if chaos else "false",
            "EVERWARM_DAEMON__LISTEN": f"127.0.0.1:{self.port}",
        }
        quiet = subprocess.DEVNULL
        self.process = subprocess.Popen(
            self.command, env=os.environ | told, stdout=quiet, stderr=quiet
        )
        began = time.monotonic()
        while time.monotonic() - began < PATIENCE:
            try:
                if self.get("/readyz?verbose")["ready"]:
                    return
            except (OSError, ValueError, KeyError):
                assert self.process.poll() is None, "the daemon has ended"
            time.sleep(0.1)
        raise AssertionError("the daemon is not ready")

    def read(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("GET", path)
        told = connection.getresponse().read()
        connection.close()
        return told

    def get(self, path):
        return json.loads(self.read(path))

    def metric(self, series):
        """The value of a series of /metrics."""
        lines = self.read("/metrics").decode().splitlines()
        return float(next(line for line in lines if line.startswith(series + " ")).split()[-1])

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/"

    @property
    def token(self):
        return (self.data / "api.token").read_text()

    @property
    def head(self):
        """What a change is asked with."""
        return {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}

    def kill(self, path, how):
        """Disturbs an actor by the API."""
        self.post("/api/v1/kill", {"path": path, "how": how})

    def post(self, path, body):
        """Changes something by the API."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("POST", path, json.dumps(body), self.head)
        answer = connection.getresponse()
        told = answer.read()
        connection.close()
        assert answer.status == 200, told

    def stop(self):
        """How long it took, seconds."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(PATIENCE) == 0, self.process.returncode
        return time.monotonic() - began

    def close(self):
        if self.process.poll() is None:
            self.stop()
        self.folder.cleanup()


class Killer(threading.Thread):
    """Kills actors of a daemon, so many a second, until told to end; those refused do not count."""

    def __init__(self, daemon, paths, rate):
        super().__init__(daemon=True)
        self.target, self.paths, self.rate = daemon, paths, rate
        self.over = threading.Event()
        self.killed, self.refused = 0, 0

    def run(self):
        chance = random.Random(1)
        head = self.target.head
        connection = http.client.HTTPConnection("127.0.0.1", self.target.port, timeout=10)
        due = time.monotonic()
        while not self.over.is_set():
            body = json.dumps({"path": chance.choice(self.paths)})
            connection.request("POST", "/api/v1/kill", body, head)
            answer = connection.getresponse()
            answer.read()
            # One that is not up at this moment cannot be killed.
            if answer.status != 200:
                self.refused += 1
                continue
            self.killed += 1
            due += 1 / self.rate
            time.sleep(max(0, due - time.monotonic()))

    def end(self):
        self.over.set()
        self.join(PATIENCE)
