#!/usr/bin/env python3
"""Checks the live page in a Chromium, over its DevTools pipe. Needs nothing but Python and chromium.

    python3 dashboard.py values URL metrics.jsonl    the page shows what the file says, bit for bit, and has no errors
    python3 dashboard.py live URL                    the step that is shown grows without a reload
    python3 dashboard.py reconnect URL               prints READY; then the server is to be stopped and started again
    python3 dashboard.py heap URL                    loads in a second, and holds less than 50 MB
    python3 dashboard.py screenshots URL FOLDER      PNGs of the whole page: wide and narrow, light and dark

Prints a line "ok: …" and exits with 0, or says what is wrong. LOCKSTEP_CHROMIUM names another browser.
"""

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time

LIMIT = 60
LONGEST_LOAD, LARGEST_HEAP = 1000, 50
NAMED = {"button", "checkbox", "combobox", "img", "image", "link", "listbox", "progressbar", "radio", "searchbox",
         "slider", "spinbutton", "switch", "textbox"}


class Wrong(Exception):
    pass


def check(condition, text):
    if not condition:
        raise Wrong(text)


class Browser:
    """A headless Chromium with one page."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="lockstep-dashboard-")
        commands, self.output = os.pipe()
        self.input, answers = os.pipe()
        program = [os.environ.get("LOCKSTEP_CHROMIUM", "chromium"), "--headless=new", "--no-sandbox", "--disable-gpu",
                   "--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars", "--enable-precise-memory-info",
                   f"--user-data-dir={self.folder}", "--remote-debugging-pipe", "about:blank"]
        # Chromium reads commands from 3 and writes answers to 4.
        self.process = subprocess.Popen(
            ["sh", "-c", f'exec "$@" 3<&{commands} 4>&{answers}', "sh", *program], pass_fds=(commands, answers),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(commands)
        os.close(answers)
        self.pending, self.events, self.number, self.session = b"", [], 0, None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Accessibility", "Network"):
            self.call(f"{domain}.enable")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.session = None
            self.call("Browser.close")
            self.process.wait(10)
        except Exception:
            self.process.kill()
            self.process.wait()
        os.close(self.input)
        os.close(self.output)
        shutil.rmtree(self.folder, ignore_errors=True)

    def receive(self, deadline):
        while b"\0" not in self.pending:
            ready, _, _ = select.select([self.input], [], [], max(0, deadline - time.monotonic()))
            check(ready, "the browser does not answer")
            data = os.read(self.input, 1 << 20)
            check(data, "the browser has ended")
            self.pending += data
        message, self.pending = self.pending.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.output, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + LIMIT + 10
        while True:
            answer = self.receive(deadline)
            if answer.get("id") == self.number:
                check("error" not in answer, f"{method}: {answer.get('error')}")
                return answer["result"]
            self.events.append(answer)

    def evaluate(self, expression):
        answer = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        check("exceptionDetails" not in answer, f"{expression}: {answer.get('exceptionDetails')}")
        return answer["result"].get("value")

    def wait(self, condition, what, limit=LIMIT):
        """Waits until a JavaScript expression is true."""
        isTrue = self.evaluate(
            "new Promise(done => { const end = performance.now() + %d; const look = () => { if (%s) done(true);"
            " else if (performance.now() > end) done(false); else setTimeout(look, 20); }; look(); })"
            % (limit * 1000, condition))
        check(isTrue, f"within {limit} s not: {what}; the page says: "
              + repr(self.evaluate("document.querySelector('main')?.innerText.slice(0, 300)")))

    def open(self, url):
        """Loads the page; returns when its curves are drawn, if it has any."""
        answer = self.call("Page.navigate", url=url)
        check("errorText" not in answer, f"{url}: {answer.get('errorText')}")
        self.wait("window.lockstep?.snapshot().firstDrawn && (document.querySelector('path.curve[d]') "
                  "|| !document.querySelector('section:not([hidden]) .panel'))", "the page is drawn")

    def snapshot(self):
        # JSON has no NaN: what is missing is null.
        return json.loads(self.evaluate("JSON.stringify(window.lockstep.snapshot())"))

    def complaints(self):
        """What the console says of errors and warnings."""
        self.evaluate("0")
        found = []
        for event in self.events:
            method, parameters = event.get("method"), event.get("params", {})
            if method == "Runtime.exceptionThrown":
                found.append(json.dumps(parameters["exceptionDetails"]))
            elif method == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "warning", "assert"):
                found.append(json.dumps(parameters["args"]))
            elif method == "Log.entryAdded" and parameters["entry"]["level"] in ("error", "warning"):
                found.append(parameters["entry"]["text"] + " " + parameters["entry"].get("url", ""))
        return found

    def nameless(self):
        """Roles of the controls and drawings that have no accessible name."""
        nodes = self.call("Accessibility.getFullAXTree")["nodes"]
        return [node["role"]["value"] for node in nodes
                if not node.get("ignored") and node.get("role", {}).get("value") in NAMED
                and not node.get("name", {}).get("value", "").strip()]


def number(value):
    """As the page writes numbers."""
    if value is None:
        return "–"
    size, sign = abs(value), "−" if value < 0 else ""
    if size != 0 and (size < 1e-4 or size >= 1e12):
        mantissa, exponent = f"{size:.3e}".split("e")
        return sign + mantissa + "×10" + "".join("⁻" if c == "-" else "⁰¹²³⁴⁵⁶⁷⁸⁹"[int(c)] for c in str(int(exponent)))
    if size == int(size):
        return f"{sign}{int(size):,}"
    if size >= 999.95:
        return f"{sign}{size:,.0f}"
    places = max(0, 3 - int(f"{size:.3e}".split("e")[1]))
    return f"{sign}{size:.{places}f}"


def expected(path):
    """Columns by part and figure, {step: value}, and epochs, as metrics.jsonl has them."""
    tracks, digests = {"train": {}, "validation": {}, "test": {}}, {}
    for line in open(path):
        line = json.loads(line)
        event, step = line.get("event"), line.get("step")
        if event in ("step", "steps"):
            columns = {"loss": line["loss"], "learning_rate": line.get("learning_rate")}
            columns |= {name[len("train_"):]: value for name, value in line.items() if name.startswith("train_")}
            for name, value in columns.items():
                tracks["train"].setdefault(name, {})[step] = value
            for bound in ("min", "max"):
                tracks["train"].setdefault(f"loss {bound}", {})[step] = line.get(f"loss_{bound}", line["loss"])
        elif event == "evaluation":
            for name, value in line.items():
                part, _, figure = name.partition("_")
                if part in ("validation", "test") and figure:
                    tracks[part].setdefault(figure, {})[step] = value
        elif event == "epoch":
            digests[step] = line["parameters_sha256"]
    return tracks, digests


def values(browser, url, path):
    browser.open(url)
    tracks, digests = expected(path)
    losses = tracks["train"]["loss"]
    browser.wait(f"Object.values(window.lockstep.snapshot().runs)[0].tracks.train.step.at(-1) >= {max(losses)}",
                 f"step {max(losses)} is shown")
    run = next(iter(browser.snapshot()["runs"].values()))
    compared = 0
    for part, columns in tracks.items():
        shown = run["tracks"][part]
        for name, wanted in columns.items():
            figure, _, kind = name.partition(" ")
            column = shown["columns"].get(figure)
            if column is None:
                check(all(value is None for value in wanted.values()), f"the page has no {part} {figure}")
                continue
            held = dict(zip(shown["step"], column[kind or "mean"]))
            if len(shown["step"]) == len(wanted):
                for step, value in wanted.items():
                    check(step in held, f"{part} {name}: the page lacks step {step}")
                    check(held[step] == value, f"{part} {name}, step {step}: {held[step]} instead of {value}")
                compared += len(wanted)
            elif kind:
                # Of merged points, the extremes are still those of single steps.
                known = [value for value in wanted.values() if value is not None]
                extreme = min if kind == "min" else max
                merged = [value for value in held.values() if value is not None]
                check(extreme(merged) == extreme(known),
                      f"{part} {name}: {extreme(merged)} instead of {extreme(known)}")
                compared += 1
    held = {epoch["step"]: epoch["parameters_sha256"] for epoch in run["epochs"]}
    for step, digest in digests.items():
        check(held.get(step) == digest, f"epoch of step {step}: digest {held.get(step)} instead of {digest}")

    # The table below a chart has each value in four digits, and in full as its title.
    browser.evaluate("document.querySelector('#charts details').open = true")
    browser.wait("document.querySelector('#charts details td')", "the loss is shown as a table")
    parts, rows = browser.evaluate("""(() => {
      const table = document.querySelector('#charts details table');
      const parts = [...table.querySelectorAll('thead th')].slice(1).map(cell => cell.textContent);
      return [parts, [...table.querySelectorAll('tbody tr')].map(row => [row.cells[0].textContent,
        ...[...row.cells].slice(1).map(cell => [cell.textContent, cell.title])])];
    })()""")
    check(0 < len(rows) <= 50, f"the table has {len(rows)} rows")
    isWhole = len(run["tracks"]["train"]["step"]) == len(losses)
    for head, *cells in rows:
        step = int(head.split(" ·")[0].removeprefix("step ").replace(",", ""))
        for part, (text, title) in zip(parts, cells):
            if not isWhole and part == "train":
                continue
            value = tracks[part]["loss"].get(step)
            check((float(title) if title else None) == value, f"table, {part}, step {step}: {title} instead of {value}")
            check(text == number(value), f"table, {part}, step {step}: {text} instead of {number(value)}")
            compared += 1
    # What the header says of the last evaluation.
    facts = {term: [text, title] for term, text, title in browser.evaluate(
        "[...document.querySelectorAll('#overview dl div')].map(row => "
        "[row.children[0].textContent, row.children[1].textContent, row.children[1].title])")}
    for part in ("validation", "test"):
        for figure, wanted in tracks[part].items():
            value = wanted[max(wanted)]
            if value is None or f"{part} {figure}" not in facts:
                continue
            text, title = facts[f"{part} {figure}"]
            check(float(title) == value and text == number(value),
                  f"{part} {figure}: {text}, {title} instead of {value}")
            compared += 1
    last = browser.evaluate("[...document.querySelectorAll('#epochs table tbody td[title]')].map(cell => cell.title)")
    check(not digests or last[:1] == [digests[max(digests)]], f"the last epoch's digest is shown as {last[:1]}")
    check(not browser.complaints(), f"the console says: {browser.complaints()}")
    check(not browser.nameless(), f"without an accessible name: {browser.nameless()}")
    return f"{compared} values are those of the file, bit for bit; no complaints; all controls have names"


SHOWN_STEP = ("Number((document.querySelector('.progress-text').textContent.match(/step ([\\d,]+)/)?.[1] ?? '0')"
              ".replaceAll(',', ''))")
CONNECTION = "document.getElementById('connection').textContent"


def live(browser, url):
    browser.open(url)
    browser.evaluate("window.isSamePage = true")
    seen = [browser.evaluate(SHOWN_STEP)]
    while len(seen) < 4:
        browser.wait(f"{SHOWN_STEP} > {seen[-1]}", f"a step after {seen[-1]} is shown")
        seen.append(browser.evaluate(SHOWN_STEP))
    check(browser.evaluate("window.isSamePage") is True, "the page has been loaded again")
    check(not browser.complaints(), f"the console says: {browser.complaints()}")
    return f"steps {', '.join(map(str, seen))} were shown without a reload"


def reconnect(browser, url):
    browser.open(url)
    browser.wait(f"{CONNECTION} === 'live'", "the page is live")
    browser.evaluate("window.isSamePage = true")
    before = browser.evaluate(SHOWN_STEP)
    print("READY", flush=True)
    browser.wait(f"{CONNECTION} === 'reconnecting…'", "the page says that it reconnects")
    check(browser.evaluate(SHOWN_STEP) >= before > 0, "the page has dropped what it had")
    browser.wait(f"['live', 'ended'].includes({CONNECTION})", "the page is live again")
    again = browser.evaluate(SHOWN_STEP)
    browser.wait(f"{SHOWN_STEP} > {again} || ({CONNECTION} === 'ended' && {SHOWN_STEP} > {before})",
                 "new steps are shown")
    check(browser.evaluate("window.isSamePage") is True, "the page has been loaded again")
    print("OK", flush=True)
    return f"reconnected; step {before} before, {browser.evaluate(SHOWN_STEP)} now"


def heap(browser, url, longest=LONGEST_LOAD):
    browser.open(url)
    load = browser.evaluate("window.lockstep.snapshot().firstDrawn")
    browser.call("HeapProfiler.collectGarbage")
    size = browser.call("Runtime.getHeapUsage")["usedSize"] / 1e6
    print(f"load {load:.0f} ms, heap {size:.1f} MB", flush=True)
    check(load <= float(longest), f"loading took {load:.0f} ms, more than {float(longest)}")
    check(size <= LARGEST_HEAP, f"the heap has {size:.1f} MB, more than {LARGEST_HEAP}")
    return f"load {load:.0f} ms, heap {size:.1f} MB"


def screenshots(browser, url, folder):
    os.makedirs(folder, exist_ok=True)
    for width, height in ((1280, 900), (390, 844)):
        browser.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                     mobile=False)
        for scheme in ("light", "dark"):
            browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
            browser.open(url)
            wide = browser.evaluate("document.documentElement.scrollWidth")
            check(wide <= width, f"the page is {wide} pixels wide in a window of {width}")
            size = browser.call("Page.getLayoutMetrics")["cssContentSize"]
            browser.wait("document.getElementById('connection').textContent !== 'connecting…'", "the page is connected")
            image = browser.call("Page.captureScreenshot", captureBeyondViewport=True,
                                 clip={"x": 0, "y": 0, "width": width, "height": min(size["height"], 16000),
                                       "scale": 1})
            with open(os.path.join(folder, f"{width}-{scheme}.png"), "wb") as file:
                file.write(base64.b64decode(image["data"]))
    return f"4 images in {folder}"


def main(arguments):
    commands = {"values": values, "live": live, "reconnect": reconnect, "heap": heap, "screenshots": screenshots}
    if len(arguments) < 2 or arguments[0] not in commands:
        sys.exit(__doc__)
    try:
        with Browser() as browser:
            print("ok: " + commands[arguments[0]](browser, *arguments[1:]))
    except Wrong as problem:
        sys.exit(f"{arguments[0]}: {problem}")


if __name__ == "__main__":
    main(sys.argv[1:])
