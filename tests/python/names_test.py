#!/usr/bin/env python3
"""Every name that src/python/poolscope.py uses is defined or imported there, and everything that it imports is used: several sections share one list of
imports, and a call that is rarely reached would fail only at its user's."""
import ast
import builtins
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
import tap

FILE = os.path.join(tap.ROOT, "src", "python", "poolscope.py")


def defined(node):
    """The names that a node brings."""
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        yield node.name
    if isinstance(node, ast.arg):
        yield node.arg
    if isinstance(node, ast.alias):
        yield (node.asname or node.name).split(".")[0]
    if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
        yield node.id
    if isinstance(node, ast.ExceptHandler) and node.name:
        yield node.name


def faults(source):
    nodes = list(ast.walk(ast.parse(source)))
    known = {name for node in nodes for name in defined(node)} | set(dir(builtins)) | {"__file__"}
    used = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    imported = {name for node in nodes if isinstance(node, ast.alias) for name in defined(node)}
    return sorted(used - known), sorted(imported - used)


with open(FILE) as stream:
    source = stream.read()
undefined, idle = faults(source)
tap.report(not undefined, "every name is defined", undefined)
tap.report(not idle, "every import is used", idle)
planted, _ = faults(source.replace("import warnings\n", "", 1))
tap.report(planted == ["warnings"], "a missing import is found", planted)
tap.done()
