"""What the clients need: an exchange of their own, and a way to say what was expected."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

# Documented in docs/EXCHANGE.md; worth nothing.
KEY = "everwarmSimulatedExchangeDemoApiKey00000000000000000000000000000"
SECRET = "everwarmSimulatedExchangeDemoSecret00000000000000000000000000000"


class Exchange:
    """`everwarm sim` with a synthetic market, stopped at the end."""

    def __init__(self, binary, *arguments, pace="real", symbols="BTCUSDT,ETHUSDT"):
        self.folder = tempfile.TemporaryDirectory(prefix="everwarm-clients-")
        command = [binary, "sim", "--data-dir", self.folder.name, "--idle-exit", "0"]
        command += ["--pace", pace, "--symbols", symbols, *arguments]
        self.process = subprocess.Popen(command)
        told = pathlib.Path(self.folder.name) / "port.json"
        for _ in range(300):
            if told.exists():
                self.port = json.loads(told.read_text())["port"]
                break
            if self.process.poll() is not None:
                raise SystemExit("the exchange has ended")
            time.sleep(0.1)
        else:
            raise SystemExit("the exchange does not say its port")
        self.rest = f"http://127.0.0.1:{self.port}"
        self.socket = f"ws://127.0.0.1:{self.port}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=20)
        self.folder.cleanup()


def expect(what, condition, told=None):
    """One line per expectation; the first that fails ends the run."""
    if not condition:
        print(f"FAILED  {what}: {told!r}", file=sys.stderr)
        raise SystemExit(1)
    print(f"ok      {what}")


def refused(what, kind, act):
    """`act` must raise `kind`; gives what it raised."""
    try:
        answer = act()
    except kind as error:
        expect(what, True)
        return error
    except Exception as error:  # the wrong mapping is what is looked for
        expect(what, False, error)
    expect(what, False, answer)


def binary():
    """The exchange to drive: the first argument."""
    if len(sys.argv) != 2:
        raise SystemExit(f"usage: {sys.argv[0]} PATH_OF_EVERWARM")
    return os.path.abspath(sys.argv[1])
