"""Schemathesis drives the API of a running daemon with what the description allows and what it forbids.

    drive_api.py BINARY ST [MORE...]     ST: the command of schemathesis; MORE goes to it
"""

import json
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = pathlib.Path(__file__).parent
# Enough of a market that every list has something in it.
RUN = ["run", "--pace", "1200x", "--symbols", "4", "--log", "off"]


def ask(base, path):
    with urllib.request.urlopen(base + path, timeout=10) as answer:
        return json.load(answer)


def running(folder, process):
    """Waits until the daemon answers and has filled something: its address and token."""
    for _ in range(600):
        if process.poll() is not None:
            raise SystemExit("the daemon has ended")
        if (folder / "api.json").exists():
            base = "http://" + json.loads((folder / "api.json").read_text())["addr"]
            status = ask(base, "/api/v1/status")
            if status["ready"] and status["fills"] > 3:
                return base, (folder / "api.token").read_text().strip()
        time.sleep(0.1)
    raise SystemExit("the daemon fills nothing")


def main(binary, st, *more):
    binary, st = (str(pathlib.Path(path).absolute()) for path in (binary, st))
    with tempfile.TemporaryDirectory(prefix="everwarm-api-") as name:
        folder = pathlib.Path(name) / "data"
        command = [binary, *RUN, "--data-dir", str(folder)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            base, token = running(folder, process)
            driven = subprocess.run(
                [st, "--config-file", str(HERE / "schemathesis.toml"), "run", *more,
                 f"{base}/api/v1/openapi.json", "--header", f"Authorization: Bearer {token}"],
                cwd=name,
            )
            if process.poll() is not None:
                raise SystemExit(f"the daemon has ended with {process.returncode}")
            if driven.returncode != 0:
                raise SystemExit(driven.returncode)
            process.send_signal(signal.SIGINT)
            if process.wait(timeout=40) != 0:
                raise SystemExit(f"the daemon ended with {process.returncode}")
            verified = subprocess.run([binary, "verify", "--data-dir", str(folder)])
            if verified.returncode != 0:
                raise SystemExit("what it was asked has changed what follows from its inputs")
        finally:
            process.kill()
            process.wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
