"""A real Chromium without a window, told what to do over its own protocol."""

import base64
import json
import shutil
import subprocess
import tempfile
import time
import urllib.request

from websockets.sync.client import connect

# Within this many seconds what must come has come.
PATIENCE = 60


class Browser:
    """One page of one browser; whatever its console complains of is kept."""

    def __init__(self, wide=1280, high=900, dark=False):
        program = shutil.which("chromium") or shutil.which("google-chrome")
        if program is None:
            raise SystemExit("no browser is installed: chromium or google-chrome is needed")
        self.folder = tempfile.mkdtemp(prefix="everwarm-page-")
        self.process = subprocess.Popen(
            [
                program,
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--disable-background-networking",
                "--remote-debugging-port=0",
                f"--user-data-dir={self.folder}",
                f"--window-size={wide},{high}",
                "about:blank",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.number = 0
        self.complaints = []
        self.requests = []
        self.socket = connect(
            self._address(), max_size=None, max_queue=None, ping_interval=None
        )
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.size(wide, high)
        self.dark(dark)

    def _address(self):
        began = time.monotonic()
        while time.monotonic() - began < PATIENCE:
            try:
                with open(f"{self.folder}/DevToolsActivePort") as file:
                    port = file.readline().strip()
                url = f"http://127.0.0.1:{port}/json/list"
                pages = json.load(urllib.request.urlopen(url, timeout=5))
                return next(p["webSocketDebuggerUrl"] for p in pages if p["type"] == "page")
            except (OSError, StopIteration, ValueError):
                time.sleep(0.1)
        raise AssertionError("the browser does not start")

    def call(self, method, **parameters):
        self.number += 1
        number = self.number
        told = {"id": number, "method": method, "params": parameters}
        self.socket.send(json.dumps(told))
        while True:
            message = json.loads(self.socket.recv(timeout=PATIENCE))
            if message.get("id") == number:
                assert "error" not in message, f"{method}: {message['error']}"
                return message["result"]
            self._hear(message)

    def _hear(self, message):
        method, about = message.get("method"), message.get("params", {})
        if method == "Runtime.exceptionThrown":
            details = about["exceptionDetails"]
            thrown = details.get("exception", {}).get("description") or details["text"]
            self.complaints.append(f"exception: {thrown}")
        elif method == "Runtime.consoleAPICalled" and about["type"] in ("error", "warning"):
            words = [str(a.get("value", a.get("description"))) for a in about["args"]]
            self.complaints.append(f"{about['type']}: {' '.join(words)}")
        elif method == "Log.entryAdded" and about["entry"]["level"] in ("error", "warning"):
            entry = about["entry"]
            self.complaints.append(f"{entry['source']}: {entry['text']} {entry.get('url', '')}")
        elif method == "Network.requestWillBeSent":
            self.requests.append(about["request"]["url"])

    def open(self, url):
        self.call("Page.navigate", url=url)

    def size(self, wide, high):
        phone = wide < 600
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=wide,
            height=high,
            deviceScaleFactor=1,
            mobile=phone,
        )

    def dark(self, dark):
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def ask(self, script):
        """What the script comes to; it may wait."""
        answer = self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def until(self, what, script, within=PATIENCE):
        began = time.monotonic()
        while True:
            told = self.ask(script)
            if told:
                return told
            waited = time.monotonic() - began
            assert waited < within, f"not within {within} s: {what}\n{self.complaints}"
            time.sleep(0.05)

    def click(self, selector):
        """A click of the mouse at the middle of an element, as a person does it."""
        place = self.ask(
            f"""(() => {{ const e = document.querySelector({json.dumps(selector)});
            e.scrollIntoView({{ block: "center" }}); const r = e.getBoundingClientRect();
            return [r.x + r.width / 2, r.y + r.height / 2]; }})()"""
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.call(
                "Input.dispatchMouseEvent",
                type=kind,
                x=place[0],
                y=place[1],
                button="left",
                clickCount=1,
            )

    def click_until(self, selector, what, script):
        """Clicks as a person does: again, if the page moved below the mouse and nothing follows."""
        for _ in range(5):
            self.click(selector)
            began = time.monotonic()
            while time.monotonic() - began < PATIENCE / 10:
                if self.ask(script):
                    return
                time.sleep(0.05)
        self.until(what, script)

    def type(self, text):
        self.call("Input.insertText", text=text)

    def key(self, key, code):
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code,
                      text="\r" if key == "Enter" and kind == "keyDown" else "")

    def picture(self, file, whole=False):
        told = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        with open(file, "wb") as out:
            out.write(base64.b64decode(told["data"]))

    def close(self):
        self.process.terminate()
        self.process.wait(PATIENCE)
        shutil.rmtree(self.folder, ignore_errors=True)
