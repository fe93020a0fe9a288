"""The line of progress on a terminal: the time left stays on a narrow one, nothing unknown is shown as a number, and `watch` redraws an experiment."""
import fcntl
import json
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

sys.dont_write_bytecode = True
import tap
from tap import PATIENCE, PROGRAM, WORK, must, path, report


def on_terminal(arguments, columns, until=None, keys=b"", rows=24):
    """Runs with a terminal of this width as standard error and output: all that was drawn, and the exit status."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    process = subprocess.Popen([PROGRAM, *arguments], cwd=WORK, stdin=slave, stdout=slave, stderr=slave, env={**os.environ, "TERM": "xterm", "LC_ALL": "C.UTF-8"}, start_new_session=True)
    os.close(slave)
    shown, end = b"", time.time() + 120 * PATIENCE
    while time.time() < end:
        if not select.select([master], [], [], 0.2)[0]:
            if process.poll() is not None:
                break
            continue
        try:
            piece = os.read(master, 65536)
        except OSError:
            break
        if not piece:
            break
        shown += piece
        if until is not None and until in shown:
            os.write(master, keys)
            until = None
    else:
        process.kill()
    code = process.wait()
    os.close(master)
    return shown.decode(errors="replace"), code


def drawn(text):
    return [line for line in re.split(r"\r|\n|\x1b\[K", text) if "left " in line]


# Two windows of which the first is there already: the second goes by without a probing.
T = ["--model", "plain9", "--width", "0.25", "--size", "8", "--batch", "32", "--probe", "32", "--train-limit", "256", "--test-limit", "32", "--steps", "2400", "--window", "1200", "--threads", "1"]
process = subprocess.Popen([PROGRAM, "train", *T, "--quiet", "--out", "run"], cwd=WORK, stderr=subprocess.DEVNULL)
while process.poll() is None and not os.path.exists(path("run/checkpoint.safetensors")):
    time.sleep(0.01)
process.send_signal(signal.SIGKILL)
process.wait()
shutil.copytree(path("run"), path("again"))
for columns, name in ((100, "run"), (36, "again")):
    text, code = on_terminal(["train", "--resume", name], columns)
    lines = drawn(text)
    report(code == 0 and len(lines) >= 2, f"a resumed run shows its progress in {columns} columns", f"exit {code}: {text[-500:]}")
    report(columns < 60 or re.search(r"dead \d", lines[-1]), "in the end the dead share is known", lines[-1:])
    report("nan" not in text.lower(), "what no probing has said yet is not shown", text[:800])
    report(all(len(line) < columns and re.search(r"left (\?|[\dhms]+)", line) for line in lines), "every line fits and says the time left", "\n".join(lines[:20]))

with open(path("e.json"), "w") as stream:
    json.dump({"base": {"model": "plain9", "width": 0.25, "size": 8, "steps": 4, "window": 2, "batch": 8, "probe": 16, "train_limit": 32, "test_limit": 16},
               "arms": [{"name": "baseline"}, {"name": "ps2", "pool_skip": 2}], "seeds": [1, 2]}, stream)
text, code = on_terminal(["experiment", "e.json", "--out", "e", "--no-report", "--threads", "1"], 44)
report(code in (0, 1) and "nan" not in text.lower() and all(len(line) < 44 for line in drawn(text)), "an experiment's, too", text[-800:])
text, code = on_terminal(["watch", "e"], 100, until=b"baseline", keys=b"hq")
report(code == 0 and text.count("finished") >= 4 and "One run in full" in text, "watch shows an experiment on the terminal, with help, and ends by q", repr(text[-1500:]))
tap.done()
