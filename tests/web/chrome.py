"""Drives Debian's Chromium over the Chrome DevTools Protocol, on a pair of pipes: no port, no library.

What a page must not do is gathered in Page.faults: errors of the console, exceptions, violations of the content
security policy, requests to anyone but the index.
"""

import base64
import fcntl
import json
import os
import queue
import shutil
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import harness as h  # noqa: E402

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
         "--disable-background-networking", "--disable-component-update", "--disable-default-apps",
         "--disable-extensions",
         "--disable-dev-shm-usage", "--no-proxy-server", "--hide-scrollbars", "--password-store=basic",
         "--remote-debugging-pipe"]

HANDOVER = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.dup2(int(sys.argv[2]), 4)
os.execv(sys.argv[3], sys.argv[3:])
"""

# Runs before the page's own scripts.
WATCH = """
window.violations = [];
window.longest = 0;
new PerformanceObserver((list) => {
	for (const task of list.getEntries())
		window.longest = Math.max(window.longest, task.duration);
}).observe({type: "longtask", buffered: true});
document.addEventListener("securitypolicyviolation", (e) => violations.push(e.violatedDirective + " " + e.blockedURI));
"""

KEYS = {"Enter": ("\r", 13), "Escape": ("", 27), "ArrowDown": ("", 40), "ArrowUp": ("", 38), "End": ("", 35),
        "Home": ("", 36), "PageDown": ("", 34), "Tab": ("", 9)}


class Browser:
    def __init__(self, world):
        program = h.need("chromium")
        self.dir = world.path("chromium")
        down, up = os.pipe(), os.pipe()
        # The browser reads descriptor 3 and writes 4. Something of ours may lie there, so they are put in place by
        # HANDOVER, which starts with nothing else open.
        theirs = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 20) for fd in (down[0], up[1])]
        self.log = open(world.path("chromium.log"), "wb")
        self.p = subprocess.Popen(h.begun([sys.executable, "-c", HANDOVER, *map(str, theirs), program, *FLAGS,
                                           f"--user-data-dir={self.dir}", "about:blank"]), stdin=subprocess.DEVNULL,
                                  stdout=self.log, stderr=self.log, env={**os.environ, "HOME": world.dir}, pass_fds=theirs)
        for fd in (*theirs, down[0], up[1]):
            os.close(fd)
        self.out, self.into = os.fdopen(down[1], "wb", buffering=0), os.fdopen(up[0], "rb", buffering=0)
        self.lock, self.answers, self.pages, self.last = threading.Lock(), {}, {}, 0
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        world.closers.append(self.close)

    def _read(self):
        rest = b""
        while chunk := self.into.read(1 << 20):
            *whole, rest = (rest + chunk).split(b"\0")
            for raw in whole:
                m = json.loads(raw)
                if "id" in m:
                    self.answers[m["id"]].put(m)
                elif m.get("sessionId") in self.pages:
                    self.pages[m["sessionId"]].on_event(m["method"], m["params"])

    def call(self, method, session=None, seconds=30, **params):
        with self.lock:
            self.last += 1
            n = self.last
            self.answers[n] = queue.Queue()
            m = {"id": n, "method": method, "params": params}
            if session:
                m["sessionId"] = session
            self.out.write(json.dumps(m).encode() + b"\0")
        try:
            answer = self.answers[n].get(timeout=seconds)
        except queue.Empty:
            raise h.Failed(f"Chromium did not answer {method} within {seconds} s")
        del self.answers[n]
        h.check("error" not in answer, f"{method}: {answer.get('error')}")
        return answer["result"]

    def page(self, url, **kw):
        return Page(self, url, **kw)

    def close(self):
        self.p.terminate()
        try:
            self.p.wait(10)
        except subprocess.TimeoutExpired:
            self.p.kill()
            self.p.wait(10)
        self.reader.join(10)
        self.out.close()
        self.into.close()
        self.log.close()
        shutil.rmtree(self.dir, ignore_errors=True)


class Page:
    """A tab. `before`: a script that runs before the page's own; `allowed`: texts of console errors that
    the test expects."""

    def __init__(self, browser, url, width=1280, height=900, dark=False, phone=False, before="", allowed=()):
        self.browser, self.origin, self.allowed = browser, "/".join(url.split("/")[:3]), allowed
        self.errors, self.requests = [], []
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        browser.pages[self.session] = self
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(domain + ".enable")
        self.call("Page.addScriptToEvaluateOnNewDocument", source=WATCH + before)
        self.resize(width, height, phone)
        self.dark(dark)
        self.go(url)

    def call(self, method, **params):
        return self.browser.call(method, session=self.session, **params)

    def on_event(self, method, params):
        if method == "Runtime.exceptionThrown":
            d = params["exceptionDetails"]
            self.errors.append(d["text"] + " " + d.get("exception", {}).get("description", ""))
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.errors.append(" ".join(str(a.get("value", a.get("description"))) for a in params["args"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.errors.append(params["entry"]["text"] + " " + params["entry"].get("url", ""))
        elif method == "Page.javascriptDialogOpening":
            self.errors.append("a dialog opened: " + params["message"])
            threading.Thread(target=self.call, args=("Page.handleJavaScriptDialog",), kwargs={"accept": True},
                             daemon=True).start()
        elif method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])

    def go(self, url):
        self.call("Page.navigate", url=url)
        self.wait("document.readyState === 'complete'", what="the page is loaded")

    def reload(self):
        """The page anew: what is asked of it afterwards is answered by the new document, never by the one that is
        being left, nor by a half of the new one."""
        self.eval("window.left = true")
        self.call("Page.reload")
        self.wait("!window.left && document.readyState === 'complete'", what="the page is loaded anew")

    def eval(self, expression):
        r = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in r:
            d = r["exceptionDetails"]
            raise h.Failed(f"{expression[:200]}: {d['text']} {d.get('exception', {}).get('description', '')}")
        return r["result"].get("value")

    def wait(self, expression, seconds=10, what=None):
        def holds():
            try:
                return self.eval(f"!!({expression})")
            except h.Failed as e:
                if "navigated or closed" not in str(e):
                    raise
                return False  # a page that is just being left says nothing
        return h.wait_for(holds, seconds * h.SLOW, what or expression, every=0.02)

    def text(self, selector):
        return self.eval(f"document.querySelector({json.dumps(selector)})?.textContent")

    def wait_text(self, selector, part, seconds=10):
        return self.wait(f"document.querySelector({json.dumps(selector)})?.textContent.includes({json.dumps(part)})",
                         seconds,
                         f"{part!r} in {selector}")

    def click(self, selector):
        self.eval(f"document.querySelector({json.dumps(selector)}).click()")

    def key(self, key):
        text, code = KEYS.get(key, (key, ord(key.upper()[0])))
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, text=text, windowsVirtualKeyCode=code)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    def type(self, text):
        for c in text:
            self.key(c)

    def resize(self, width, height, phone=False):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=2 if phone else 1,
                  mobile=phone)

    def dark(self, on):
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme",
                                                           "value": "dark" if on else "light"}])

    def shot(self, path, whole=False):
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        with open(path, "wb") as f:
            f.write(base64.b64decode(shot["data"]))

    def busy_ms(self):
        """CPU time that the page's thread has spent on tasks: what other programs do at the time does not count."""
        self.call("Performance.enable", timeDomain="threadTicks")
        return 1000 * {m["name"]: m["value"] for m in self.call("Performance.getMetrics")["metrics"]}["TaskDuration"]

    def faults(self):
        """What the page did that it must not."""
        out = [e for e in self.errors if not any(a in e for a in self.allowed)]
        out += [f"CSP: {v}" for v in self.eval("window.violations")]
        return out + [f"asked elsewhere: {u}" for u in self.requests
                      if not u.startswith((self.origin + "/", "data:", "about:"))]

    def check_quiet(self):
        h.check_eq(self.faults(), [], "faults of the page")
