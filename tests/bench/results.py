#!/usr/bin/env python3
"""Puts what the benchmarks printed into a file of results, which keeps one chapter a kind of processor and instruction set (`# KIND`), the one that was
measured last first, and in it a section a table (`## TITLE`).

    results.py RESULTS.md PRINTED [--only WORD]

PRINTED: head lines, which say with what it was measured, and then sections. A section replaces the one of the same title in its chapter; all others stay
as they are. --only: rows of tables with that word alone were measured; they take the place of the rows of the same name, where the columns are the same,
and the others stay, too. KIND is of the processor at hand, and of PS_SIMD.
"""
import argparse
import os
import re
import textwrap

WIDTH = 120
PREAMBLE = ("Made by `make bench`, a chapter a kind of processor and instruction set, the one measured last first. Times are medians of rounds in which both "
            "sides take turns; quote the ratios.")


def kind(cpuinfo, simd):
    """Of the first processor in the text of /proc/cpuinfo; the instruction set is the best that poolscope has kernels for, or the one asked for."""
    said = dict(re.findall(r"^([^\t:]+?)\s*: (.*)$", cpuinfo.split("\n\n")[0], re.M))
    flags = said.get("flags", "").split()
    best = "avx512" if {"avx512f", "avx512bw", "avx512dq", "avx512vl"} <= set(flags) else "avx2" if {"avx2", "fma"} <= set(flags) else "base"
    names = {"avx512": "AVX-512", "avx2": "AVX2", "base": "base"}
    model = " ".join(said.get("model name", "unknown processor").split())
    numbers = f" (family {said['cpu family']}, model {said['model']})" if "cpu family" in said and "model" in said else ""
    return f"{model}{numbers}, {names.get(simd or best, simd)}"


def parts(text, marks):
    """What stands before the first heading of one of these marks, and [title, body] of each; headings without a body are dropped."""
    pieces = re.split(rf"(?m)^(?:{marks}) (.*)$", text)
    sections = [[title.strip(), body.strip("\n")] for title, body in zip(pieces[1::2], pieces[2::2])]
    return pieces[0].strip("\n"), [section for section in sections if section[1].strip()]


def wrapped(text):
    """Prose is wrapped; tables, lists and commands stay."""
    lines = text.split("\n")
    return "\n".join(line if len(line) <= WIDTH or re.match(r"\||    |- ", line) else
                     textwrap.fill(line, WIDTH, break_long_words=False, break_on_hyphens=False) for line in lines)


def name_of(row):
    return row.split("|")[1].strip()


def is_head(paragraph):
    return re.match(r'Measured with|Rows with "', paragraph)


def is_list(paragraph):
    return paragraph.startswith("- ")


def merged(old, new, only):
    """The old section with the rows that were measured again, and what is listed of them below; the new one alone where the columns differ, or names do not
    tell rows apart."""
    before, after = old.split("\n\n"), new.split("\n\n")
    there, fresh = ([p.split("\n") for p in paragraphs if p.startswith("|")] for paragraphs in (before, after))
    if [table[0] for table in there] != [table[0] for table in fresh]:
        return new
    if any(len({name_of(row) for row in table}) < len(table) for table in there + fresh):
        return new
    measured = {name_of(row) for table in fresh for row in table[2:]}
    mine = f'Rows with "{only}": '
    out = [p for p in before if is_head(p) and not p.startswith(mine)] + [wrapped(mine + " ".join(after[0].split()).replace("Measured", "measured", 1))]
    for paragraph in before:
        if paragraph.startswith("|"):
            lines, rows = paragraph.split("\n"), {name_of(row): row for row in fresh.pop(0)[2:]}
            out.append("\n".join(lines[:2] + [rows.pop(name_of(row), row) for row in lines[2:]] + list(rows.values())))
        elif is_list(paragraph):
            out.append("\n".join(item for item in paragraph.split("\n") if item[2:].split(":")[0] not in measured))
        elif not is_head(paragraph):
            out.append(paragraph)
    return "\n\n".join(p for p in out + [p for p in after if is_list(p)] if p)


def put(text, name, printed, only):
    preamble, chapters = parts(text, "#")
    head, fresh = parts(printed, "##?")
    said = wrapped("Measured with " + "; ".join(line for line in head.split("\n") if line.strip()) + ".")
    chapter = next((body for title, body in chapters if title == name), "")
    intro, sections = parts(chapter, "##")
    for title, body in fresh:
        body = f"{said}\n\n{wrapped(body).strip()}"
        there = next((section for section in sections if section[0] == title), None)
        if there is None:
            sections.append([title, body])
        else:
            there[1] = merged(there[1], body, only) if only else body
    whole = "\n\n".join(([intro] if intro else []) + [f"## {title}\n\n{body}" for title, body in sections])
    chapters = [[name, whole]] + [chapter for chapter in chapters if chapter[0] != name]
    return "\n\n".join([preamble or wrapped(PREAMBLE)] + [f"# {title}\n\n{body}" for title, body in chapters]) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results")
    parser.add_argument("printed")
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    text, cpuinfo = "", ""
    if os.path.exists(options.results):
        with open(options.results, encoding="utf-8") as stream:
            text = stream.read()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo", encoding="utf-8") as stream:
            cpuinfo = stream.read()
    with open(options.printed, encoding="utf-8") as stream:
        printed = stream.read()
    whole = put(text, kind(cpuinfo, os.environ.get("PS_SIMD", "")), printed, options.only)
    with open(options.results + ".new", "w", encoding="utf-8") as stream:
        stream.write(whole)
    os.replace(options.results + ".new", options.results)


if __name__ == "__main__":
    main()
