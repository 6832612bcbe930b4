#!/usr/bin/python3
"""Drives one real browser window: Chromium by its DevTools pipe, Firefox by Marionette.

  browser.py serve SOCKET chromium|firefox PROFILE_DIR
  browser.py send SOCKET open URL | click CSS | fill CSS TEXT | cookie NAME URL
                       | plant NAME VALUE | address | agent | quit

`serve` keeps the browser open and takes one command per connection to SOCKET
(a path, so it works from any network namespace). Chromium has a window and
needs DISPLAY: its headless mode would call itself HeadlessChrome. It looks up
no names but *.test, and those stand in /etc/hosts.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time

WAIT = 30  # seconds for a page to load
PROCESSES = []  # what must be ended
CHROMIUM = [
    "chromium", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-domain-reliability", "--disable-default-apps", "--no-default-browser-check",
    "--disable-features=MediaRouter,DialMediaRouteProvider,HttpsUpgrades,HttpsFirstBalancedMode,"
    "OptimizationHints,AutofillServerCommunication,AsyncDns,DnsOverHttps",
    "--ignore-certificate-errors", "--password-store=basic",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE *.test",
    "--disable-breakpad", "--disable-crash-reporter", "--remote-debugging-pipe",
]
FIREFOX_PREFS = {
    "app.normandy.enabled": False, "app.update.enabled": False,
    "browser.aboutConfig.showWarning": False, "browser.newtabpage.enabled": False,
    "browser.safebrowsing.malware.enabled": False, "browser.safebrowsing.phishing.enabled": False,
    "browser.shell.checkDefaultBrowser": False, "browser.startup.page": 0,
    "captivedetect.canonicalURL": "", "datareporting.policy.dataSubmissionEnabled": False,
    "dom.security.https_first": False, "extensions.update.enabled": False,
    "media.gmp-manager.updateEnabled": False, "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False, "network.trr.mode": 5,
    "services.settings.server": "data:,", "toolkit.telemetry.enabled": False,
}


class Chromium:
    def __init__(self, profile):
        to_browser, from_browser = os.pipe(), os.pipe()

        def pipes():  # the DevTools pipe is file descriptors 3 and 4
            ends = os.dup(to_browser[0]), os.dup(from_browser[1])
            os.dup2(ends[0], 3)
            os.dup2(ends[1], 4)

        self.process = subprocess.Popen(
            CHROMIUM + [f"--user-data-dir={profile}", "about:blank"], pass_fds=(3, 4),
            preexec_fn=pipes, start_new_session=True, stderr=subprocess.DEVNULL)
        PROCESSES.append(self.process)
        os.close(to_browser[0])
        os.close(from_browser[1])
        self.write_fd, self.reader = to_browser[1], os.fdopen(from_browser[0], "rb")
        self.number, self.session, self.events = 0, None, []
        target = next(t for t in self.call("Target.getTargets")["targetInfos"] if t["type"] == "page")
        self.session = self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)["sessionId"]
        self.call("Page.enable")

    def receive(self):
        raw = b""
        while not raw.endswith(b"\0"):
            byte = self.reader.read(1)
            if not byte:
                raise RuntimeError("the browser closed")
            raw += byte
        return json.loads(raw[:-1])

    def call(self, method, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.write_fd, json.dumps(message).encode() + b"\0")
        while True:
            reply = self.receive()
            if reply.get("id") == self.number:
                if "error" in reply:
                    raise RuntimeError(f"{method}: {reply['error']['message']}")
                return reply["result"]
            self.events.append(reply.get("method"))

    def until_loaded(self):
        signal.alarm(WAIT)
        while "Page.loadEventFired" not in self.events:
            self.events.append(self.receive().get("method"))
        signal.alarm(0)
        time.sleep(0.4)  # let icons and scripts of the page finish

    def script(self, text):
        result = self.call("Runtime.evaluate", expression=text, returnByValue=True)
        if "exceptionDetails" in result:
            raise RuntimeError(result["exceptionDetails"]["exception"].get("description", text))
        return result["result"].get("value")

    def open(self, url):
        self.events.clear()
        error = self.call("Page.navigate", url=url).get("errorText")
        if error:
            raise RuntimeError(f"{url}: {error}")
        self.until_loaded()

    def click(self, css):
        self.events.clear()
        self.script(f"document.querySelector({json.dumps(css)}).click()")
        self.until_loaded()

    def fill(self, css, text):
        self.script(f"document.querySelector({json.dumps(css)}).value = {json.dumps(text)}")

    def cookie(self, name, url):
        found = [c["value"] for c in self.call("Network.getCookies", urls=[url])["cookies"] if c["name"] == name]
        if not found:
            raise RuntimeError(f"no cookie {name} for {url}")
        return found[0]

    def plant(self, name, value):
        self.call("Network.setCookie", name=name, value=value, url=self.script("location.href"))

    def address(self):
        return self.script("location.href")

    def agent(self):
        return self.script("navigator.userAgent")


class Firefox:
    def __init__(self, profile):
        os.makedirs(profile, exist_ok=True)
        with open(os.path.join(profile, "user.js"), "w", encoding="ascii") as prefs:
            for name, value in FIREFOX_PREFS.items():
                prefs.write(f"user_pref({json.dumps(name)}, {json.dumps(value)});\n")
        self.process = subprocess.Popen(
            ["firefox-esr", "--headless", "--no-remote", "--marionette", "--profile", profile, "about:blank"],
            start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**os.environ, "HOME": profile})
        PROCESSES.append(self.process)
        for _ in range(WAIT * 4):  # Marionette listens on this namespace's loopback
            try:
                self.socket = socket.create_connection(("127.0.0.1", 2828), 5)
                break
            except OSError:
                time.sleep(0.25)
        self.socket.settimeout(WAIT)
        self.number = 0
        self.receive()
        self.call("WebDriver:NewSession", capabilities={"alwaysMatch": {"acceptInsecureCerts": True}})

    def receive(self):
        length = b""
        while not length.endswith(b":"):
            length += self.socket.recv(1)
        raw = b""
        while len(raw) < int(length[:-1]):
            raw += self.socket.recv(int(length[:-1]) - len(raw))
        return json.loads(raw)

    def call(self, method, **params):
        self.number += 1
        raw = json.dumps([0, self.number, method, params]).encode()
        self.socket.sendall(b"%d:%s" % (len(raw), raw))
        _, _, error, result = self.receive()
        if error:
            raise RuntimeError(f"{method}: {error['message']}")
        return result

    def script(self, text, *args):
        return self.call("WebDriver:ExecuteScript", script=text, args=list(args))["value"]

    def open(self, url):
        self.call("WebDriver:Navigate", url=url)
        time.sleep(0.4)

    def click(self, css):
        found = self.call("WebDriver:FindElement", using="css selector", value=css)["value"]
        self.call("WebDriver:ElementClick", id=next(iter(found.values())))
        time.sleep(1)

    def fill(self, css, text):
        self.script("document.querySelector(arguments[0]).value = arguments[1]", css, text)

    def cookie(self, name, _url):
        return next(c["value"] for c in self.call("WebDriver:GetCookies") if c["name"] == name)

    def plant(self, name, value):
        self.call("WebDriver:AddCookie", cookie={"name": name, "value": value, "path": "/"})

    def address(self):
        return self.script("return location.href")

    def agent(self):
        return self.script("return navigator.userAgent")


def serve(path, kind, profile):
    def timed_out(*_):
        raise RuntimeError("timed out")

    def leave(*_):
        raise SystemExit(0)

    signal.signal(signal.SIGALRM, timed_out)
    signal.signal(signal.SIGTERM, leave)
    try:
        browser = {"chromium": Chromium, "firefox": Firefox}[kind](profile)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen(1)
        while True:
            connection, _ = listener.accept()
            with connection, connection.makefile("rw") as line:
                name, *args = json.loads(line.readline())
                try:
                    reply = {"value": None if name == "quit" else getattr(browser, name)(*args)}
                except Exception as error:  # told to the caller; the browser stays usable
                    reply = {"error": str(error)}
                line.write(json.dumps(reply) + "\n")
            if name == "quit":
                break
    finally:
        for process in PROCESSES:  # its own process group and nothing else
            try:
                os.killpg(process.pid, signal.SIGTERM)
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass


def send(path, *command):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        connection.settimeout(2 * WAIT)
        with connection.makefile("rw") as line:
            line.write(json.dumps(command) + "\n")
            line.flush()
            reply = json.loads(line.readline())
    if "error" in reply:
        sys.exit(f"browser: {' '.join(command)}: {reply['error']}")
    if reply["value"] is not None:
        print(reply["value"])


if __name__ == "__main__":
    if len(sys.argv) < 4 or sys.argv[1] not in ("serve", "send"):
        sys.exit(__doc__)
    {"serve": serve, "send": send}[sys.argv[1]](*sys.argv[2:])
