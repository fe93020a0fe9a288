"""Builds tests/cli/preload.c and runs the program under it. Not a test itself."""
import os
import shutil
import subprocess

import tap

_library = None


def library():
    """The path of the built library; None where it cannot be had (no compiler, another C library, a sanitized program)."""
    global _library
    if _library is None:
        source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "preload.c")
        compiler = shutil.which(os.environ.get("CC", "cc").split()[-1]) or shutil.which("cc")
        made = tap.path("preload.so")
        _library = ""
        if compiler and not tap.SLOW and subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", made, source, "-ldl"], stderr=subprocess.DEVNULL).returncode == 0:
            if subprocess.run([tap.PROGRAM, "--version"], env={**os.environ, "LD_PRELOAD": made}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0:
                _library = made
    return _library or None


def run(*arguments, **what):
    """Runs the program with PRELOAD_(KEY)=value; keys in lower case, `cwd` as for tap.run."""
    options = {key: what.pop(key) for key in ("cwd", "timeout") if key in what}
    env = {**os.environ, "LD_PRELOAD": library()}
    env.update({"PRELOAD_" + key.upper(): str(value) for key, value in what.items()})
    return tap.run(*arguments, env=env, **options)


def counts(*arguments, **what):
    """How many changes of the file system and allocations a command makes."""
    file = tap.path("counts")
    run(*arguments, count=file, **what)
    with open(file) as stream:
        return tuple(int(word) for word in stream.read().split())
