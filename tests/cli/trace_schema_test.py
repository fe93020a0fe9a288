"""The traces that `poolscope train` writes are valid by schema.json and by `poolscope validate`; planted faults are valid by neither."""
import copy
import json
import os
import subprocess
import sys
import tempfile

PROGRAM = os.environ["PS_PROGRAM"]
TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
SMALL = ["--model", "plain9", "--width", "0.25", "--data", "synthetic", "--size", "8", "--train-limit", "64", "--test-limit", "16", "--probe", "16",
         "--batch", "8", "--steps", "6", "--window", "3", "--quiet"]
RUNS = {
    "baseline": [],
    "Pool Skip, planted": ["--pool-skip", "2", "--plant", "share=0.25,cause=bias,value=-100"],
    "leaky, adamw": ["--leaky-slope", "0.1", "--optimiser", "adamw"],
    "diverging": ["--lr", "1e6", "--weight-decay", "1000"],
    "few quantities": ["--record", "zeros,nonzero,layer:stage2*"],
}


def change(key, value):
    return lambda record: record.__setitem__(key, value)


def change_in(outer, key, value):
    return lambda record: record[outer].__setitem__(key, value)


# type of record, fault, what is done to it
FAULTS = [
    ("header", "wrong format", change("format", "poolscope-trap")),
    ("header", "version as text", change("version", "2")),
    ("header", "version 3", change("version", 3)),
    ("header", "not said what the arm is", lambda r: r.pop("arm_is")),
    ("header", "an unknown role", change_in("arm_is", "role", "treatment")),
    ("header", "an unknown cut", change_in("arm_is", "cut", "sideways")),
    ("header", "a pool size below 0", change_in("arm_is", "pool_size", -1)),
    ("header", "zero_init as a number", change_in("arm_is", "zero_init", 0)),
    ("header", "no activation", lambda r: r["arm_is"].pop("activation")),
    ("header", "half a window between drawings", change_in("arm_is", "reinit_dead", 0.5)),
    ("header", "no layers", lambda r: r.pop("layers")),
    ("header", "unknown kind", lambda r: r["layers"][0].__setitem__("kind", "cow")),
    ("header", "negative channels", lambda r: r["layers"][0].__setitem__("channels", -1)),
    ("header", "unknown per", lambda r: r["quantities"][0].__setitem__("per", "cow")),
    ("header", "pairing holds a number", change_in("pairing", "data", 1)),
    ("header", "a task without measures", lambda r: r["task"].__setitem__("measures", [])),
    ("header", "a measure with a blank in its name", lambda r: r["task"]["measures"][0].__setitem__("name", "mean IoU")),
    ("header", "a measure that is better sideways", lambda r: r["task"]["measures"][0].__setitem__("better", "sideways")),
    ("step", "step as text", change("step", "0")),
    ("step", "half a step", change("step", 0.5)),
    ("step", "loss misspelt", change("loss", "nan")),
    ("step", "learning rate below 0", change("lr", -0.1)),
    ("step", "norm below 0", change("grad_norm", -1)),
    ("step", "infinite norm below 0", change("grad_norm_module", "-Infinity")),
    ("step", "clipping that enlarges", change("clip", 1.5)),
    ("step", "clipping that turns", change("clip_module", -1)),
    ("header", "a seed beyond 2^53", change("seed", 2 ** 64)),
    ("header", "inputs as a text", lambda r: r["layers"][0].__setitem__("inputs", "c1")),
    ("header", "ungated inputs as a text", lambda r: r["layers"][0].__setitem__("ungated_inputs", "yes")),
    ("eval", "no count", lambda r: r.pop("count")),
    ("eval", "accuracy in per cent", change("accuracy", 50)),
    ("window", "no values", lambda r: r.pop("values")),
    ("window", "value as text", change_in("values", "zeros", ["0"])),
    ("window", "no layer", lambda r: r.pop("layer")),
    ("probe", "no images", change("images", 0)),
    ("probe", "value is true", change_in("values", "nonzero", [True])),
    ("eval", "no split", lambda r: r.pop("split")),
    ("timing", "negative step", change("step", -1)),
    ("end", "infinite accuracy", change("accuracy", "Infinity")),
    ("end", "unknown status", change("status", "fine")),
    ("end", "a count of events as a text", change("nonfinite", "many")),
    ("header", "a sample without depth", change_in("data", "sample", [3, 8, 8])),
    ("header", "parameters as a text", change_in("model", "parameters", "many")),
    ("header", "more channels than any layer has", lambda r: r["layers"][0].__setitem__("channels", 2 ** 25)),
]
WRONG = [-1, "x"]

try:
    import jsonschema
except ImportError:
    jsonschema = None

number = 0


def say(ok, name, detail=""):
    global number
    number += 1
    print(f"{'ok' if ok else 'not ok'} {number} - {name}")
    for line in detail.splitlines() if not ok else []:
        print("#", line)


def skip(name, reason):
    global number
    number += 1
    print(f"ok {number} - {name} # SKIP {reason}")


def validate(path):
    return subprocess.run([PROGRAM, "validate", path], capture_output=True, text=True)


def plant_fault(lines, kind, alter):
    """The lines with the first record of this type altered, and that record."""
    for i, line in enumerate(lines):
        record = json.loads(line)
        if record["type"] == kind:
            record = copy.deepcopy(record)
            alter(record)
            return lines[:i] + [json.dumps(record)] + lines[i + 1:], record
    raise AssertionError(f"no record of type {kind}")


def keys_of(schema, part):
    """The keys that a part of the schema names, and what it says of the items of a list; None: nothing."""
    while "$ref" in part:
        part = schema["definitions"][part["$ref"].rsplit("/", 1)[1]]
    return part.get("properties"), part.get("items")


def unknown_keys(schema, part, value, place):
    """Keys of a value that the schema does not name, in objects that it describes."""
    known, items = keys_of(schema, part)
    if isinstance(value, list) and items is not None:
        return [key for item in value for key in unknown_keys(schema, items, item, place + "[]")]
    if not isinstance(value, dict) or known is None:
        return []
    return [key for name, inner in value.items()
            for key in ([f"{place}.{name}"] if name not in known else unknown_keys(schema, known[name], inner, f"{place}.{name}"))]


def check_keys(schema, name, lines):
    """Readers pass over keys that they do not know; what poolscope writes is all in the schema."""
    wrong = set()
    for line in lines:
        record = json.loads(line)
        known = {"type": {}}
        for rule in schema["allOf"]:
            if rule["if"]["properties"]["type"]["const"] == record["type"]:
                known.update(rule["then"].get("properties", {}))
        wrong.update(unknown_keys(schema, {"properties": known}, record, record["type"]))
    say(not wrong, f"{name}: the schema names every key that is written", "\n".join(sorted(wrong)))


def check_run(validator, folder, name, options):
    run = os.path.join(folder, name.replace(" ", "_").replace(",", ""))
    done = subprocess.run([PROGRAM, "train", *SMALL, *options, "--out", run], capture_output=True, text=True)
    path = os.path.join(run, "trace.jsonl")
    # A run that diverges ends with 1 and a whole trace; whether it does is rounding's matter.
    if done.returncode not in ((0, 1) if name == "diverging" else (0,)):
        say(False, f"{name}: runs", done.stderr)
        return None
    checked = validate(path)
    say(checked.returncode == 0, f"{name}: the program's own check passes", checked.stdout + checked.stderr)
    lines = open(path).read().splitlines()
    if validator is None:
        skip(f"{name}: every line fits the schema", "no python jsonschema; install python3-jsonschema")
    else:
        wrong = [f"line {i + 1}: {e.message[:200]}" for i, line in enumerate(lines) for e in validator.iter_errors(json.loads(line))]
        say(not wrong, f"{name}: every line fits the schema", "\n".join(wrong[:5]))
    return lines


def check_faults(validator, folder, lines):
    for kind, name, alter in FAULTS:
        altered, record = plant_fault(lines, kind, alter)
        path = os.path.join(folder, "fault.jsonl")
        with open(path, "w") as stream:
            stream.write("\n".join(altered) + "\n")
        checked = validate(path)
        say(checked.returncode == 1, f"{kind}, {name}: found by the program", f"exit {checked.returncode}: {checked.stdout}{checked.stderr}")
        if validator is None:
            skip(f"{kind}, {name}: found by the schema", "no python jsonschema; install python3-jsonschema")
        else:
            say(not validator.is_valid(record), f"{kind}, {name}: found by the schema")


def places(record):
    """Where keys stand in a record: itself, its objects, the first object of its lists and theirs."""
    yield record
    for value in record.values():
        inner = value[0] if isinstance(value, list) and value else value
        if isinstance(inner, dict):
            yield from places(inner)


def alterations(record):
    """A record with one key taken away, or with a wrong value of it, over and over."""
    for p, place in enumerate(places(record)):
        for key in place:
            for value in [...] + WRONG:
                other = copy.deepcopy(record)
                at = list(places(other))[p]
                if value is ...:
                    del at[key]
                else:
                    at[key] = value
                yield key, value, other


def check_agreement(validator, folder, lines):
    """What the schema refuses of any key of any record, the program refuses, too: both are made from one list."""
    if validator is None:
        skip("the program refuses what the schema refuses", "no python jsonschema; install python3-jsonschema")
        return
    seen, passed, tried = set(), [], 0
    path = os.path.join(folder, "altered.jsonl")
    for i, line in enumerate(lines):
        record = json.loads(line)
        kind = (record["type"], record.get("event"))
        if kind in seen:
            continue
        seen.add(kind)
        for key, value, altered in alterations(record):
            if altered.get("type") != record["type"] or validator.is_valid(altered):
                continue
            tried += 1
            with open(path, "w") as stream:
                stream.write("\n".join(lines[:i] + [json.dumps(altered)] + lines[i + 1:]) + "\n")
            if validate(path).returncode != 1:
                passed.append(f"{kind}: {key} as {value!r}")
    say(tried > 100 and not passed, "the program refuses what the schema refuses", f"{tried} tried\n" + "\n".join(passed))


def main():
    with open(os.path.join(TOP, "src", "trace", "schema.json")) as stream:
        schema = json.load(stream)
    validator = None
    if jsonschema is not None:
        jsonschema.Draft7Validator.check_schema(schema)
        validator = jsonschema.Draft7Validator(schema)
    print(f"1..{3 * len(RUNS) + 2 + 2 * len(FAULTS)}")
    with tempfile.TemporaryDirectory() as folder:
        kept = None
        for name, options in RUNS.items():
            lines = check_run(validator, folder, name, options)
            check_keys(schema, name, lines or [])
            kept = kept or lines
            if name == "Pool Skip, planted":
                planted_lines = lines
        planted = json.dumps({**json.loads(kept[1]), "made_up": 1})
        check = [key for key in unknown_keys(schema, {"properties": {"type": {}}}, json.loads(planted), "record") if key == "record.made_up"]
        say(bool(check), "a key that the schema does not name is seen")
        check_faults(validator, folder, kept)
        check_agreement(validator, folder, planted_lines)


if __name__ == "__main__":
    sys.exit(main())
