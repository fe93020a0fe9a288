"""Traces packed with gzip and zstd: written, killed, gone on with, and read by every command; what is damaged or packed otherwise is named."""
import bz2
import gzip
import lzma
import os
import resource
import shutil
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
import outsider
import tap
from tap import must, report, run

ZSTD = shutil.which("zstd")
SUFFIX = {"none": "", "gzip": ".gz", "zstd": ".zst"}
TINY = ["--model", "plain9", *tap.TINY, "--window", "4", "--threads", "1"]


def text_of(directory, how):
    """The lines of a trace, but for timing; as much as can be unpacked of one that is cut off."""
    file = tap.path(directory, "trace.jsonl" + SUFFIX[how])
    if how == "none":
        with open(file, "rb") as stream:
            text = stream.read()
    elif how == "gzip":
        with gzip.open(file) as stream:
            text = stream.read()
    else:
        text = subprocess.run([ZSTD, "-dcq", file], capture_output=True, check=True).stdout
    return [line for line in text.decode().splitlines() if not line.startswith('{"type":"timing"')]


def can_be_read(how):
    return how != "zstd" or ZSTD is not None


# ---- written ----
for how in SUFFIX:
    must("train", *TINY, "--steps", "12", "--compress", how, "--out", how)
    report(os.listdir(tap.path(how)).count("trace.jsonl" + SUFFIX[how]) == 1 and sum(name.startswith("trace") for name in os.listdir(tap.path(how))) == 1,
           f"{how}: the trace is called trace.jsonl{SUFFIX[how]}", os.listdir(tap.path(how)))
    if can_be_read(how):
        report(text_of(how, how) == text_of("none", "none"), f"{how}: its text is that of the plain one, whoever unpacks it")
    else:
        tap.skip(f"{how}: its text is that of the plain one, whoever unpacks it", "no zstd here")
report(run("train", *TINY, "--steps", "4", "--compress", "xz", "--out", "x").returncode == 2, "an unknown way to pack is refused")
shutil.copytree(tap.path("zstd"), tap.path("again"))
must("train", *TINY, "--steps", "12", "--compress", "gzip", "--force", "--out", "again")
report([name for name in os.listdir(tap.path("again")) if name.startswith("trace")] == ["trace.jsonl.gz"], "--force leaves no trace that was packed otherwise")

# ---- read ----
READ = {"validate": [], "watch": ["--once"], "diagnose": [], "check": ["--expect", "loss.final < 1e9"]}
for how in ("gzip", "zstd"):
    for twin, given in (("none", how), ("none/trace.jsonl", how + "/trace.jsonl" + SUFFIX[how])):
        for command, options in READ.items():
            plain, packed = run(command, twin, *options), run(command, given, *options)
            same = plain.returncode == packed.returncode and len(plain.stdout.splitlines()) == len(packed.stdout.splitlines())
            report(same, f"{command} {given}: as of the plain trace", packed.stdout[-500:] + packed.stderr)
    compared = run("compare", "--arm", f"a={how}", "--out", f"cmp-{how}")
    report(compared.returncode == 0, f"compare reads {how}", compared.stderr)
    node = open(tap.path(f"cmp-{how}", "tables", "nodes.tsv")).read().splitlines()[1].split("\t")
    column = open(tap.path(f"cmp-{how}", "tables", "nodes.tsv")).readline().rstrip("\n").split("\t").index("node")
    told = run("explain", how, node[column])
    report(told.returncode == 0 and node[column] in told.stdout, f"explain reads {how}", told.stdout[-300:] + told.stderr)
    golden = run("check", how, "--golden", "none")
    report(golden.returncode == 0, f"{how} holds what the plain trace holds", golden.stdout[-800:] + golden.stderr)
    report(run("report", how).returncode == 0, f"report reads {how}")
    report(run("train", "--resume", how).returncode == 0, f"a finished run is known as such ({how})")
    refused = run("train", *TINY, "--steps", "4", "--out", how)
    report(refused.returncode == 2 and "holds a run already" in refused.stderr, f"and is not overwritten ({how})", refused.stderr)

# ---- killed, and gone on with ----
LONG = [*TINY, "--steps", "400", "--eval-every", "50"]
must("train", *LONG, "--out", "whole")
for how in ("gzip", "zstd"):
    name = f"killed-{how}"
    trace = tap.path(name, "trace.jsonl" + SUFFIX[how])
    child = subprocess.Popen([tap.PROGRAM, "train", *LONG, "--compress", how, "--out", name], cwd=tap.WORK, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.time() + 60 * tap.PATIENCE
    while child.poll() is None and time.time() < deadline and not (os.path.exists(tap.path(name, "checkpoint.safetensors")) and os.path.getsize(trace) > 60000):
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.wait()
    checked = run("validate", name)
    report(checked.returncode == 0 and "follows the format" in checked.stdout, f"{how}: killed, the trace is whole up to its last window", checked.stdout + checked.stderr)
    if can_be_read(how):
        killed = text_of(name, how)
        report(killed == text_of("whole", "none")[:len(killed)], f"{how}: and other programs read it as far")
    went_on = run("train", "--resume", name)
    report(went_on.returncode == 0, f"{how}: the run goes on", went_on.stderr)
    if can_be_read(how):
        report(text_of(name, how) == text_of("whole", "none"), f"{how}: to the same text")
    report(run("check", name, "--golden", "whole").returncode == 0, f"{how}: value by value")

# One that somebody unpacked and packed as a whole has no seam at its checkpoint.
shutil.copytree(tap.path("whole"), tap.path("seamless"))
with open(tap.path("seamless", "trace.jsonl"), "rb") as stream:
    text = stream.read()
os.remove(tap.path("seamless", "trace.jsonl"))
with gzip.open(tap.path("seamless", "trace.jsonl.gz"), "wb") as stream:
    stream.write(text[:text.rindex(b'{"type":"end"')])
went_on = run("train", "--resume", "seamless")
report(went_on.returncode == 0 and text_of("seamless", "gzip") == text_of("whole", "none"), "a trace that was packed again is gone on with", went_on.stderr)

# ---- cut off, damaged, packed otherwise ----
outsider.write(tap.path("small.jsonl"), outsider.trace())
with open(tap.path("small.jsonl"), "rb") as stream:
    plain = stream.read()
half = len(plain) // 2
packed = {"gz": gzip.compress(plain[:half]) + gzip.compress(plain[half:])}
if ZSTD:
    packed["zst"] = b"".join(subprocess.run([ZSTD, "-cq"], input=part, capture_output=True, check=True).stdout for part in (plain[:half], plain[half:]))
for suffix, content in packed.items():
    bad = []
    for length in range(0, len(content), 3):
        with open(tap.path("cut"), "wb") as stream:
            stream.write(content[:length])
        checked = run("validate", "cut")
        said = checked.stdout + checked.stderr
        if checked.returncode not in (0, 1) or "damaged" in said:
            bad.append(f"{length}: {checked.returncode} {said}")
    report(not bad, f"{suffix}: cut off anywhere, it is read as far as it goes", "\n".join(bad))
    bad = []
    for place in range(20, len(content), 7):
        with open(tap.path("hurt"), "wb") as stream:
            stream.write(content[:place] + bytes([content[place] ^ 0x55]) + content[place + 1:])
        checked = run("validate", "hurt")
        if checked.returncode not in (1, 2) or len(checked.stderr.splitlines()) != 1:
            bad.append(f"{place}: {checked.returncode} {checked.stdout}{checked.stderr}")
    # Bytes that say nothing (a name, a time) may be others.
    report(len(bad) <= 2, f"{suffix}: a byte that was changed is found", "\n".join(bad))
    with open(tap.path("hurt"), "wb") as stream:
        stream.write(content[:len(content) // 4] + bytes(40) + content[len(content) // 4 + 40:])
    for command in ("validate", "report", "watch", "diagnose"):
        said = run(command, "hurt", *(["--once"] if command == "watch" else []))
        report(said.returncode in (1, 2) and len(said.stderr.splitlines()) == 1 and len(said.stderr) < 600, f"{suffix}: {command} says in one sentence that it is damaged", said.stderr)
    with open(tap.path("behind"), "wb") as stream:
        stream.write(content + b"and more\n")
    said = run("validate", "behind")
    report(said.returncode == 2 and "is damaged" in said.stderr, f"{suffix}: bytes behind it are none of it", said.stderr)

for name, content in (("xz", lzma.compress(plain)), ("bzip2", bz2.compress(plain)), ("lz4", b"\x04\x22\x4d\x18" + bytes(40)), ("compress", b"\x1f\x9d" + bytes(40)),
                      ("zip", b"PK\x03\x04" + bytes(40)), ("7z", b"7z\xbc\xaf" + bytes(40))):
    with open(tap.path("other"), "wb") as stream:
        stream.write(content)
    for command in ("validate", "report", "watch"):
        said = run(command, "other", *(["--once"] if command == "watch" else []))
        report(said.returncode == 2 and name in said.stderr and len(said.stderr.splitlines()) == 1, f"{command} names {name}", said.stderr)

shutil.copytree(tap.path("gzip"), tap.path("twice"))
shutil.copy(tap.path("none", "trace.jsonl"), tap.path("twice", "trace.jsonl"))
for command in ("validate", "report"):
    said = run(command, "twice")
    report(said.returncode == 2 and "trace.jsonl.gz" in said.stderr and "remove" in said.stderr, f"{command}: a trace that is there twice is refused", said.stderr)

# ---- a bomb ----
MOST = 1 << 30


def limit():
    resource.setrlimit(resource.RLIMIT_AS, (MOST, MOST))


with gzip.open(tap.path("bomb.gz"), "wb", compresslevel=1) as stream:
    stream.write(outsider.json.dumps(outsider.header()).encode() + b"\n" + b'{"type":"step","step":0,"x":"')
    for _ in range(400):
        stream.write(b"a" * (1 << 20))
if tap.SLOW:
    tap.skip("memory is bounded by the longest line", "sanitized builds reserve memory of their own")
else:
    for command in ("validate", "report"):
        said = run(command, "bomb.gz", preexec_fn=limit, env={**os.environ, "OPENBLAS_NUM_THREADS": "1"})
        report(said.returncode == 2 and "256 MiB" in said.stderr, f"{command}: a line of 400 MiB in {os.path.getsize(tap.path('bomb.gz'))} bytes is refused within {MOST >> 20} MiB",
               said.stderr + said.stdout[-200:])

tap.done()
