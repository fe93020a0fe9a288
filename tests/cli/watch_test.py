"""`poolscope watch`: snapshots as text of whole, growing, cut-back and hostile traces; the dashboard itself in tmux where there is one."""
import json
import fcntl
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from tap import PROGRAM, SLOW, done, must, path, report, run, skip  # noqa: E402

UTF8 = {**os.environ, "LC_ALL": "C.UTF-8"}
def quantity(name, record):
    return {"name": name, "unit": "1", "per": "node", "record": record, "description": ""}


HEADER = {"type": "header", "format": "poolscope-trace", "version": 1, "producer": "t", "arm": "ps2", "seed": 3, "config": {}, "pairing": {}, "data": {}, "machine": {},
          "model": {"name": "tiny"}, "window": 2, "steps": 8,
          "quantities": [quantity("nonzero", "probe"), quantity("path_gradient", "window"), quantity("weight_start_l2", "window")],
          "layers": [{"name": name, "gate": name, "kind": "conv", "channels": 2, "position": i, "depth": i, "stage": "", "activation": "relu", "norm": None, "pool_skip": None,
                      "bias": True, "fan_in": 9, "inputs": [], "elements": 4} for i, name in enumerate(("alpha", "beta", "gamma"))]}


def probe(step, layer, nonzero):
    return {"type": "probe", "step": step, "layer": layer, "images": 4, "elements": 16, "values": {"nonzero": nonzero}}


def window(k, layer, paths):
    return {"type": "window", "window": k, "first": 2 * k, "last": 2 * k + 1, "layer": layer, "values": {"path_gradient": paths, "weight_start_l2": [1, 1]}}


START = [HEADER, probe(0, "alpha", [5, 5]), probe(0, "beta", [0, 5]), probe(0, "gamma", [5, 5])]
FIRST = [{"type": "step", "step": t, "loss": 2.5 - t} for t in (0, 1)] + [
    window(0, "alpha", [0.5, 0.25]), window(0, "beta", [0.001, 0.002]), window(0, "gamma", [0.1, 0.1]),
    probe(2, "alpha", [0, 5]), probe(2, "beta", [4, 5]), probe(2, "gamma", [0, 0]), {"type": "timing", "step": 2, "images_per_second": 1234.5}]
LAST = [{"type": "eval", "step": 2, "split": "test", "loss": 1, "accuracy": 0.75, "count": 4}, {"type": "end", "steps": 2, "status": "finished"}]


def write(name, lines, tail="", mode="w"):
    with open(path(name), mode) as stream:
        stream.writelines((line if isinstance(line, str) else json.dumps(line, separators=(",", ":"))) + "\n" for line in lines)
        stream.write(tail)
    return name


def once(name, *options, environment=UTF8):
    return run("watch", name, *options, env=environment)


def has(text, *parts):
    return all(part in text for part in parts)


# ---- snapshots ----
result = once(write("whole", START + FIRST + LAST))
report(result.returncode == 0 and has(result.stdout, "tiny  arm ps2  seed 3  step 2 of 8 (25 %)", "1234 images/s", "ended early", "75.0 %", "50.0 %"), "numbers of a known trace", result.stdout)
deep = json.loads(json.dumps(START[0]))
deep.setdefault("data", {})["sample"] = [1, 8, 8, 8]
report("1234 volumes/s" in once(write("deep", [deep, *START[1:], *FIRST, *LAST])).stdout, "samples with a depth are volumes", START[0].get("data"))
report(has(result.stdout, "deaths and revivals (4 in all)", "died     gamma:1", "died     alpha:0", "revived  beta:0"), "its deaths and revivals", result.stdout)
report("\x1b" not in result.stdout and "█" in result.stdout, "no escape sequences where the output is no terminal; sparklines", result.stdout)
result = once("whole", "--ascii")
report(result.returncode == 0 and result.stdout.isascii(), "--ascii is ASCII", result.stdout)
report(once("whole", environment={**os.environ, "LC_ALL": "C"}).stdout.isascii(), "and so is a terminal without UTF-8")
for columns in (20, 40, 73):
    lines = once("whole", "--width", str(columns)).stdout.splitlines()
    report(max(map(len, lines)) <= columns, f"no line is wider than {columns} columns", max(lines, key=len))

result = once(write("half", START, tail='{"type":"step","step":0,"lo'))
report(result.returncode == 0 and has(result.stdout, "step 0 of 8", "no end yet"), "half a line is left for later", result.stdout + result.stderr)
result = once(write("damaged", START + ["no json"] + FIRST))
report(result.returncode == 0 and has(result.stdout, "step 2 of 8", "1 LINE BREAKS", "line 5: is not valid JSON"), "a damaged line is passed over, and said", result.stdout + result.stderr)
result = once(write("two faults", START + ["no json", *FIRST[:2], FIRST[1]]), "--width", "200")
report(result.returncode == 0 and has(result.stdout, "2 LINES BREAK the trace format", "First, line 5: "), "faults are counted", result.stdout + result.stderr)
report("BREAK" not in once("whole").stdout, "of a sound trace nothing is said")
os.makedirs(path("experiment", "runs", "ps2", "seed-3"))
write("experiment/runs/ps2/seed-3/trace.jsonl", START + FIRST[:1] + ["no json"] + FIRST[1:] + LAST)
result = once("experiment", "--width", "200")
report(result.returncode == 0 and "1 LINE BROKEN" in result.stdout, "and so they are for the runs of an experiment", result.stdout + result.stderr)
gelu = json.loads(json.dumps(HEADER))
for layer in gelu["layers"]:
    layer["activation"] = "gelu"
result = once(write("gelu", [gelu] + START[1:] + FIRST))
report(result.returncode == 0 and "BREAK" not in result.stdout and "deaths" not in result.stdout and not re.search(r"dead nodes +\d", result.stdout), "outputs of 0 behind GELU are no deaths", result.stdout)
result = once(write("nan", START + [{"type": "step", "step": 0, "loss": "NaN"}, {"type": "event", "step": 0, "event": "nonfinite", "what": "loss", "layer": ""}]))
report(has(result.stdout, "NON-FINITE VALUES", "!"), "what is not finite is marked", result.stdout)
hostile = json.loads(json.dumps(HEADER))
hostile["layers"][0]["name"] = "\x1b[2J\x1b]0;title\x07\u009b31m%s%n"
hostile["model"]["name"] = "a\x1b[31mb\nc"
result = once(write("hostile", [hostile] + START[2:] + [probe(0, hostile["layers"][0]["name"], [1, 1]), *FIRST[:2], probe(2, hostile["layers"][0]["name"], [0, 1])]))
report(result.returncode == 0 and not any(ord(c) < 32 and c != "\n" or 127 <= ord(c) < 160 for c in result.stdout) and "%s%n" in result.stdout,
       "control characters in names never reach the terminal", repr(result.stdout[:400]))
result = once(write("other", ["{}"]))
report(result.returncode == 2 and "no trace" in result.stderr, "what is no trace: exit 2 and a sentence", result.stderr)
result = once("nowhere")
report(result.returncode == 2 and "cannot be opened" in result.stderr, "a missing trace: exit 2 and a sentence", result.stderr)
result = once(write("empty", []))
report(result.returncode == 0 and "no header yet" in result.stdout, "an empty trace is a run that has just begun", result.stderr)
os.mkfifo(path("pipe"))
for name, word in (("/dev/zero", "not a regular file"), ("pipe", "is a pipe")):
    result = run("watch", name, "--once", env=UTF8, timeout=20)
    report(result.returncode == 2 and word in result.stderr, f"{name}: no regular file, exit 2 and a sentence", result.stderr)
result = once(write("bare", [{key: HEADER[key] for key in HEADER if key not in ("seed", "steps")}]))
report(result.returncode == 0 and "nan" not in result.stdout and has(result.stdout, "seed -  step 0  "), "what a bare header does not say is no nan", result.stdout)
must("train", "--model", "plain9", "--width", "0.25", "--size", "8", "--train-limit", "64", "--test-limit", "16", "--probe", "16", "--batch", "8", "--steps", "4", "--window", "2",
     "--quiet", "--out", "run")
result = once("run")
report(result.returncode == 0 and has(result.stdout, "plain9", "step 4 of 4 (100 %)", "finished", "9 layers"), "a run of poolscope itself", result.stdout)

# ---- the dashboard on a terminal of our own, which knows little and takes nothing else ----
TERMINFO = r"""poolscope-test|can move its cursor and erase,
\tcols#80, lines#24, cup=\E[%i%p1%d;%p2%dH, clear=\E[H\E[J, el=\E[K, ed=\E[J, cr=\r, cud1=\n, smkx=\E=, rmkx=\E>, kcuu1=\EOA, kcud1=\EOB,
"""
if shutil.which("tic"):
    write("terminfo.src", [], TERMINFO)
    subprocess.run(["tic", "-x", "-o", path("terminfo"), path("terminfo.src")], check=True)


class Terminal:
    def __init__(self, name, columns, rows, **variables):
        self.main, side = pty.openpty()
        self.settings = termios.tcgetattr(self.main)
        self.output, self.taken, self.wrong = "", 0, []
        self.set_size(columns, rows)
        variables = {**UTF8, "TERM": "poolscope-test", "TERMINFO": path("terminfo"), **variables}
        self.process = subprocess.Popen([PROGRAM, "watch", path(name)], stdin=side, stdout=side, stderr=side, env=variables)
        os.close(side)

    def set_size(self, columns, rows):
        fcntl.ioctl(self.main, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.rows, self.columns, self.row, self.column = [""] * rows, columns, 0, 0

    def resize(self, columns, rows):
        self.wait(lambda s: False, 0.3)
        self.set_size(columns, rows)
        self.process.send_signal(signal.SIGWINCH)

    def put(self, character):
        line = self.rows[self.row].ljust(self.column)
        self.rows[self.row] = line[:self.column] + character + line[self.column + 1:]
        self.column += 1
        if self.column > self.columns:
            self.wrong.append(f"{character!r} behind the last column")

    def obey(self, name, numbers):
        if name == "H":
            self.row, self.column = [int(number) - 1 for number in numbers.split(";")] if numbers else (0, 0)
        if name in "KJ":
            self.rows[self.row] = self.rows[self.row][:self.column]
        if name == "J":
            self.rows[self.row + 1:] = [""] * (len(self.rows) - self.row - 1)

    def take(self):
        """Obeys what came; what this terminal's description does not have is wrong."""
        for match in re.finditer(r"\x1b\[([0-9;]*)([HJK])|\x1b[=>]|[\r\n]|[^\x00-\x1f\x7f-\x9f]|\x1b[^\[]|\x1b\[[0-9;]*[^0-9;]|[^\x1b]", self.output[self.taken:]):
            text = match.group()
            if match.group(2):
                self.obey(match.group(2), match.group(1))
            elif text == "\r":
                self.column = 0
            elif text == "\n":
                self.row += 1
            elif len(text) == 1 and text.isprintable():
                self.put(text)
            elif text not in ("\x1b=", "\x1b>"):
                self.wrong.append(repr(text))
            if not 0 <= self.row < len(self.rows):
                self.wrong.append(f"row {self.row} after {text!r}")
                self.row = 0
            self.taken += match.end() - match.start()

    def wait(self, condition, seconds=60 if SLOW else 20):
        """Reads until the screen fulfils the condition, or the program ends; the screen."""
        end = time.time() + seconds
        while time.time() < end and not condition(self.screen()):
            if select.select([self.main], [], [], 0.1)[0]:
                try:
                    self.output += os.read(self.main, 65536).decode(errors="replace")
                except OSError:
                    break
                self.take()
        return self.screen()

    def screen(self):
        return "\n".join(line.rstrip() for line in self.rows)

    def type(self, keys):
        os.write(self.main, keys.encode())

    def close(self):
        """The exit status; None: had to be killed. What was written last is read, too."""
        try:
            self.wait(lambda s: False, 10)
            code = self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            code = None
        self.restored = termios.tcgetattr(self.main) == self.settings
        os.close(self.main)
        return code


many = json.loads(json.dumps(HEADER))
many["layers"] = [{**HEADER["layers"][0], "name": f"layer{i:02d}", "position": i} for i in range(40)]
write("many", [many] + [probe(0, layer["name"], [5, 5]) for layer in many["layers"]])


def on_plain_terminal():
    terminal = Terminal("many", 80, 20)
    first = terminal.wait(lambda s: "q quit" in s)
    terminal.type("jjj")
    text = terminal.wait(lambda s: "layer03" in s and "layer02" not in s)
    report("layer00" in first and "layer03" in text and "layer02" not in text, "keys that come together are all taken", text)
    terminal.type("\x1b[1;5q\x1b[1;5A\x1b[B\x1b[")
    time.sleep(0.01)
    terminal.type("B")
    text = terminal.wait(lambda s: "layer05" in s and "layer04" not in s)
    report("layer05" in text and "layer04" not in text, "so are sequences; unknown ones are passed over whole, and late ends waited for", text)
    terminal.type("\x1bOA")
    text = terminal.wait(lambda s: "layer04" in s)
    report("layer04" in text and "layer03" not in text, "and the terminal's own arrows", text)
    terminal.resize(60, 12)
    text = terminal.wait(lambda s: s.splitlines()[-1].startswith("q quit"))
    report(text.splitlines()[-1].startswith("q quit") and "tiny  arm ps2" in text.splitlines()[1], "it fits itself to a smaller terminal", text)
    terminal.resize(110, 30)
    text = terminal.wait(lambda s: s.splitlines()[-1].startswith("q quit") and "h help" in s)
    report(text.splitlines()[-1].startswith("q quit") and text.count("layer") >= 20, "and to a larger one", text)
    terminal.type("sq")
    report(terminal.close() == 0 and terminal.restored, "s and q together: it ends, and the terminal is as it was")
    report(not terminal.wrong, "nothing was written but what the terminal knows, within its columns and rows", terminal.wrong[:10])
    for columns, rows in ((40, 8), (20, 5), (80, 6), (20, 1)):
        terminal = Terminal("many", columns, rows)
        text = terminal.wait(lambda s: "q quit" in s, 5)
        report(text.split("\n")[-1].startswith("q quit"), f"{columns} x {rows}: the last row says how to get out", text)
        seen = set()
        terminal.type("h")
        for _ in range(12):
            seen |= set(terminal.wait(lambda s: "q quit  u" in s, 5).split("\n"))
            terminal.type("j")
            terminal.wait(lambda s: False, 0.2)
        report(rows == 1 or any(line.startswith("inertia: median"[:columns]) for line in seen) and "keys" in seen, f"{columns} x {rows}: the help can be read to its end", sorted(seen))
        terminal.type("q")
        report(terminal.close() == 0 and not terminal.wrong, f"{columns} x {rows}: and nothing goes over its edges", terminal.wrong[:10])
    wide = json.loads(json.dumps(many))
    for i, layer in enumerate(wide["layers"]):
        layer["name"] = f"\u5c42\u5c42\u5c42{i:02d}" + "\u5c42" * 40
    wide["layers"][1]["name"] = "\x1b[2J\u202e\x9b31m\x07"
    write("wide", [wide] + [probe(0, layer["name"], [5, 5]) for layer in wide["layers"]])
    terminal = Terminal("wide", 60, 20)
    text = terminal.wait(lambda s: "q quit" in s)
    lines = text.split("\n")
    report(not terminal.wrong and lines[-1].startswith("q quit") and "?[2J" in text and not set("\x1b\u202e\x9b\x07") & set(text), "wide and hostile names keep to their rows and stay names",
           "\n".join(terminal.wrong[:3]) + text)
    terminal.type("\x03")
    report(terminal.close() == 0 and terminal.restored, "Ctrl-C ends it with status 0, and the terminal is as it was")
    write("removed", START)
    terminal = Terminal("removed", 80, 20)
    terminal.wait(lambda s: "q quit" in s)
    os.remove(path("removed"))
    text = terminal.wait(lambda s: "GONE" in s and "q quit" in s)
    report("THE FILE IS GONE" in text and "alpha" in text, "a trace that was removed is called gone, and what was read stays", text)
    write("removed", START)
    text = terminal.wait(lambda s: "GONE" not in s and "q quit" in s)
    report("GONE" not in text, "until it is there again", text)
    terminal.type("q")
    terminal.close()
    terminal = Terminal("many", 80, 20, LC_ALL="nowhere.UTF-8")
    report("█" in terminal.wait(lambda s: "q quit" in s) or "▁" in terminal.screen(), "a locale that is not installed does not take its sparklines", terminal.screen())
    os.close(terminal.main)
    try:
        code = terminal.process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        terminal.process.kill()
        code = None
    report(code == 0, "a terminal that was closed ends it", code)


if shutil.which("tic"):
    on_plain_terminal()
else:
    skip("the dashboard on a terminal of a known description", "no tic")
for name, end in (("q", lambda t: t.type("q")), ("Ctrl-C", lambda t: t.type("\x03")), ("SIGTERM", lambda t: t.process.terminate()), ("SIGINT", lambda t: t.process.send_signal(signal.SIGINT))):
    terminal = Terminal("many", 80, 20, TERM="xterm", TERMINFO="")
    text = terminal.wait(lambda s: "q quit" in terminal.output)
    end(terminal)
    code = terminal.close()
    out = terminal.output
    report(code == 0 and terminal.restored and 0 <= out.find("\x1b[?1049h") < out.rfind("\x1b[?1049l") and out.rfind("\x1b[?25l") < out.rfind("\x1b[?25h"),
           f"{name}: on an xterm the screen and the cursor are given back", repr(out[-200:]))
for name in ("dumb", "", "nobody-knows-this-one", "unknown"):
    terminal = Terminal("many", 80, 20, TERM=name, TERMINFO="")
    code = terminal.close()
    report(code == 0 and "\x1b" not in terminal.output and has(terminal.output, "one snapshot", "layer39"), f"TERM={name}: a snapshot without escape sequences", repr(terminal.output[:300]))

# ---- the dashboard in tmux ----
NAMES = ["it shows the trace", "it follows it as it grows", "it reads anew when the trace was cut back", "s sorts", "h helps", "it fits itself to another size", "p pauses",
         "p goes on", "q ends it with status 0", "and leaves the terminal as it was", "SIGTERM leaves it as it was, too"]
SOCKET = f"poolscope-test-{os.getpid()}"


def tmux(*arguments):
    return subprocess.run(["tmux", "-L", SOCKET, "-f", "/dev/null", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=UTF8)


def screen():
    return tmux("capture-pane", "-p").stdout


def wait(condition):
    """The screen when it fulfils the condition, or the last one after a while; (held, screen)."""
    end = time.time() + (60 if SLOW else 20)
    while time.time() < end:
        text = screen()
        if condition(text):
            return True, text
        time.sleep(0.1)
    return False, screen()


def key(*names):
    tmux("send-keys", *names)


def dashboard():
    write("live", START)
    command = f"'{PROGRAM}' watch '{path('live')}'; echo status $?; stty -a | tr ' ' '\\n' | grep -x -e '-*echo' -e '-*icanon' -e '-*isig' | tr '\\n' ' '; sleep 1000"
    started = tmux("new-session", "-d", "-x", "100", "-y", "30", "env", "LC_ALL=C.UTF-8", "sh", "-c", command)
    if started.returncode != 0:
        for name in NAMES:
            skip(name, "tmux cannot start a session here")
        return
    names = iter(NAMES)
    check = lambda condition: report(*(lambda held, text: (held, next(names), text))(*wait(condition)))
    check(lambda s: has(s, "step 0 of 8", "alpha", "gamma", "q quit"))
    write("live", FIRST, mode="a")
    check(lambda s: has(s, "step 2 of 8", "(4 in all)"))
    write("live", START + [dict(FIRST[0], loss=7.5)])
    check(lambda s: has(s, "step 1 of 8", "7.5") and "in all" not in s)
    key("s")
    check(lambda s: "by dead share" in s and s.index("beta") < s.index("alpha"))
    key("h")
    check(lambda s: "this help" in s)
    key("h")
    tmux("resize-window", "-x", "60", "-y", "12")
    check(lambda s: "(by d" in s and len(s.splitlines()) <= 12 and "q quit" in s and "this help" not in s)
    key("p")
    wait(lambda s: "paused" in s)
    write("live", START + FIRST)
    time.sleep(1)
    text = screen()
    report("paused" in text and "step 1 of 8" in text, next(names), text)
    key("p")
    check(lambda s: "step 2 of 8" in s)
    key("q")
    check(lambda s: "status 0" in s)
    check(lambda s: "isig icanon" in s and " echo" in s and "-echo" not in s and "q quit" not in s)
    program, rest = command.split(";", 1)
    tmux("new-window", "env", "LC_ALL=C.UTF-8", "sh", "-c", f"{program} </dev/tty & echo $! >'{path('pid')}'; wait $!; {rest}")
    wait(lambda s: "q quit" in s and os.path.exists(path("pid")))
    with open(path("pid")) as stream:
        os.kill(int(stream.read()), 15)
    check(lambda s: "isig icanon" in s and "-echo" not in s and "q quit" not in s)
    tmux("kill-server")


if shutil.which("tmux"):
    try:
        dashboard()
    finally:
        tmux("kill-server")
else:
    for name in NAMES:
        skip(name, "no tmux")

done()
