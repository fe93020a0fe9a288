"""`poolscope watch`: snapshots as text of whole, growing, cut-back and hostile traces; the dashboard itself in tmux where there is one."""
import json
import fcntl
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import sys
import termios
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from tap import PROGRAM, SLOW, done, must, path, report, run, skip  # noqa: E402

UTF8 = {**os.environ, "LC_ALL": "C.UTF-8"}
HEADER = {"type": "header", "format": "poolscope-trace", "version": 1, "producer": "t", "arm": "ps2", "seed": 3, "config": {}, "pairing": {}, "data": {}, "machine": {},
          "model": {"name": "tiny"}, "window": 2, "steps": 8, "quantities": [],
          "layers": [{"name": name, "kind": "conv", "channels": 2, "elements": 4} for name in ("alpha", "beta", "gamma")]}


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
report(result.returncode == 0 and has(result.stdout, "tiny  arm ps2  seed 3  step 2 of 8 (25 %)", "1234 images/s", "finished", "75.0 %", "50.0 %"), "numbers of a known trace", result.stdout)
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
report(result.returncode == 0 and "step 2 of 8" in result.stdout, "a damaged line is passed over", result.stdout + result.stderr)
result = once(write("nan", START + [{"type": "step", "step": 0, "loss": "NaN"}, {"type": "event", "step": 0, "event": "nonfinite", "what": "loss", "layer": ""}]))
report(has(result.stdout, "NON-FINITE VALUES", "!"), "what is not finite is marked", result.stdout)
hostile = json.loads(json.dumps(HEADER))
hostile["layers"][0]["name"] = "\x1b[2J\x1b]0;title\x07\u009b31m%s%n"
hostile["model"]["name"] = "a\x1b[31mb\nc"
result = once(write("hostile", [hostile] + START[2:] + [probe(0, hostile["layers"][0]["name"], [1, 1]), probe(2, hostile["layers"][0]["name"], [0, 1])]))
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

# ---- the dashboard on a terminal of our own: every byte it writes ----
class Terminal:
    def __init__(self, name, columns, rows, **variables):
        self.main, side = pty.openpty()
        fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.process = subprocess.Popen([PROGRAM, "watch", path(name)], stdin=side, stdout=side, stderr=side, env={**UTF8, "TERM": "xterm", **variables})
        os.close(side)
        self.output = ""

    def wait(self, condition, seconds=60 if SLOW else 20):
        """Reads until the latest frame fulfils the condition, or the program ends; the frame."""
        end = time.time() + seconds
        while time.time() < end and not condition(self.frame()):
            if select.select([self.main], [], [], 0.1)[0]:
                try:
                    self.output += os.read(self.main, 65536).decode(errors="replace")
                except OSError:
                    break
        return self.frame()

    def frame(self):
        return self.output.rsplit("\x1b[H", 1)[-1]

    def type(self, keys):
        os.write(self.main, keys.encode())

    def close(self):
        """The exit status; None: had to be killed."""
        try:
            code = self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            code = None
        os.close(self.main)
        return code


many = json.loads(json.dumps(HEADER))
many["layers"] = [{"name": f"layer{i:02d}", "kind": "conv", "channels": 2, "elements": 4} for i in range(40)]
write("many", [many] + [probe(0, layer["name"], [5, 5]) for layer in many["layers"]])
terminal = Terminal("many", 80, 20)
first = terminal.wait(lambda s: "q quit" in s)
terminal.type("jjj")
text = terminal.wait(lambda s: "layer03" in s and "layer02" not in s and "q quit" in s)
report("layer00" in first and "layer03" in text and "layer02" not in text, "keys that come together are all taken", text)
terminal.type("\x1b[1;5A\x1b[B\x1b[")
time.sleep(0.01)
terminal.type("B")
text = terminal.wait(lambda s: "layer05" in s and "layer04" not in s and "q quit" in s)
report("layer05" in text and "layer04" not in text, "so are sequences; unknown ones are passed over whole, and late ends waited for", text)
terminal.type("sq")
report(terminal.close() == 0, "s and q together: it ends")
erased = [terminal.output[:m.start()][-3:] for m in re.finditer(r"\x1b\[[JK]", terminal.output)]
report(len(erased) > 20 and all(before.endswith(("\n", "\x1b[H")) for before in erased), "a line is erased before its text, never behind", sorted(set(erased)))
for columns, rows in ((40, 8), (20, 5), (80, 6), (20, 1)):
    terminal = Terminal("many", columns, rows)
    text = terminal.wait(lambda s: "q quit" in s, 5)
    lines = re.split(r"\r+\n", text)
    report(len(lines) <= rows and lines[-1].startswith("\x1b[Jq quit"), f"{columns} x {rows}: the last row says how to get out", repr(text))
    seen = set()
    terminal.type("h")
    for _ in range(12):
        seen |= set(re.split(r"\r+\n", re.sub(r"\x1b\[[JK]", "", terminal.wait(lambda s: "q quit  u" in s, 5))))
        terminal.type("j")
        terminal.wait(lambda s: False, 0.2)
    report(rows == 1 or any(line.startswith("inertia: median"[:columns]) for line in seen) and "keys" in seen, f"{columns} x {rows}: the help can be read to its end", sorted(seen))
    terminal.type("q")
    terminal.close()
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
for name in ("dumb", ""):
    terminal = Terminal("many", 80, 20, TERM=name)
    code = terminal.wait(lambda s: False, 60) and terminal.close()
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
