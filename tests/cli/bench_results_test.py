"""What benchmarks print takes its place in the file of results: by kind of processor, by section, and by row where only some were measured."""
import os
import sys

sys.dont_write_bytecode = True
import tap
from tap import report

sys.path.insert(0, os.path.join(tap.ROOT, "tests", "bench"))
import results

XEON = "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 143\nmodel name\t: A  Xeon\nflags\t\t: fma avx2 {}\n\nprocessor\t: 1\nmodel\t\t: 7\n"
WIDE = XEON.format("avx512f avx512bw avx512dq avx512vl")
report(results.kind(WIDE, "") == "A Xeon (family 6, model 143), AVX-512", "a kind has its model and instruction set", results.kind(WIDE, ""))
report(results.kind(XEON.format("avx512f"), "").endswith(", AVX2") and results.kind(WIDE, "avx2").endswith(", AVX2"), "the set in use, or the one asked for")
report(results.kind("", "") == "unknown processor, base", "or says that it does not know")

TABLE = "| step | ms |\n|---|---|\n"
FIRST = f"2 processors\n3 rounds\n\n# Steps\n\n\n## Speed\n\nWanted: {'much ' * 40}\n\n{TABLE}| a | 1 |\n| b | 2 |\n\n- a: why\n- b: why\n\n# Other\nplain\n"
one = results.put("", "old", FIRST, "")
report(one.startswith("Made by `make bench`") and "\n# old\n\n## Speed\n\nMeasured with 2 processors; 3 rounds.\n" in one and "## Steps" not in one, "a chapter is begun", one)
report(max(map(len, one.split("\n"))) <= results.WIDTH, "prose is wrapped", one)
report(results.put(one, "old", FIRST, "") == one, "the same again changes nothing")
two = results.put(one, "new", "9 rounds\n\n## Speed\n\n| x |\n|---|\n| 5 |\n", "")
report(two.index("# new") < two.index("# old") and two.endswith(one[one.index("# old") :]), "another kind comes first, and leaves the rest as it is", two)
three = results.put(two, "old", f"4 rounds\n\n## Speed\n\nNew.\n\n{TABLE}| c | 7 |\n", "")
report(three.index("# old") < three.index("# new") and "| a | 1 |" not in three and "| c | 7 |" in three and "## Other\n" in three, "a section replaces its like alone", three)
part = f"4 rounds\n\n## Speed\n\nNew.\n\n{TABLE}| b | 8 |\n| c | 9 |\n"
four = results.put(two, "old", part, "b")
report(f"{TABLE}| a | 1 |\n| b | 8 |\n| c | 9 |\n" in four and "- a: why" in four and "- b: why" not in four, "rows take the place of their like", four)
report('Measured with 2 processors; 3 rounds.\n\nRows with "b": measured with 4 rounds.\n\nWanted' in four, "and it is said with what they were measured", four)
report(results.put(four, "old", part.replace("4 rounds", "5 rounds"), "b").count('Rows with "b"') == 1, "once")
other = results.put(two, "old", "4 rounds\n\n## Speed\n\n| step | s |\n|---|---|\n| b | 8 |\n", "b")
report("| a | 1 |" not in other[other.index("# old") : other.index("# new")], "other columns replace the table")
with open(os.path.join(tap.ROOT, "tests", "bench", "RESULTS.md"), encoding="utf-8") as stream:
    text = stream.read()
again = results.put(text, results.parts(text, "#")[1][0][0], "1 round\n\n## Nothing yet\n\nplain\n", "")
rows = [line for line in text.split("\n") if line.strip()]
report([line for line in again.split("\n") if line.strip() and line in set(rows)] == rows, "the file of results keeps every line it has")
tap.done()
