"""Whether the images can be built of what is there, and have what they should: they are built elsewhere.

The last line has the counts.
"""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# The features of the image that is deployed: what the chart can turn on.
DEPLOYED = {"kubernetes", "otlp"}


def stages():
    """The Dockerfile's, each the text of its instructions, a continued one in one line."""
    found = {}
    for line in (ROOT / "Dockerfile").read_text().replace("\\\n", " ").splitlines():
        if start := re.match(r"FROM \S+ AS (\S+)$", line):
            found[name := start[1]] = ""
        if found and not line.startswith("#"):
            found[name] += f"{line}\n"
    return found


def let_in():
    """What .dockerignore lets into the build."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    return {line[1:] for line in lines if line.startswith("!")}


def toml(path):
    return tomllib.loads((ROOT / path).read_text())


def inside(path):
    return str(path.resolve().relative_to(ROOT))


def what_is_copied_is_there():
    for path in let_in():
        if not (ROOT / path).exists():
            yield f".dockerignore lets in {path}, which is not there"
    there = stages()
    for name, text in there.items():
        for stage, path in re.findall(r"^COPY --from=(\S+) (\S+)", text, re.M):
            made = re.search(r"(?<!\S)%s(?!\S)" % re.escape(path.rstrip("/")), there.get(stage, ""))
            if not made:
                yield f"{name} copies {path}, which {stage} does not make"


def what_the_build_reads_is_copied():
    workspace = toml("Cargo.toml")["workspace"]
    read = {"Cargo.toml", "Cargo.lock", *workspace["members"]}
    for member in workspace["members"]:
        folder = ROOT / member
        build = toml(f"{member}/Cargo.toml")["package"].get("build", "Cargo.toml")
        read.add(inside(folder / build))
        for file in [*folder.glob("src/**/*.rs"), folder / build]:
            text = file.read_text().split("#[cfg(test)]")[0]
            read |= {inside(file.parent / path) for path in re.findall(r'include_(?:str|bytes)!\(\s*"(.+?)"', text)}
            read |= {inside(folder / path) for path in re.findall(r'MANIFEST_DIR"\)\??\)+\.join\("(.+?)"\)', text)}
    for path in sorted(read):
        if not let_in() & {path, path.split("/")[0]}:
            yield f"the build reads {path}, which .dockerignore keeps out"


def what_is_deployed_has_nothing_of_development():
    if list(stages())[-1] != "paymesh":
        yield "what is built by default, the last stage, is not paymesh"
    yield from has("paymesh", DEPLOYED)


def the_development_image_has_it_all():
    yield from has("paymesh-dev", DEPLOYED | {"dev", "faults"})


def has(image, wanted):
    """What is wrong with an image's binary, which should have these features of paymesh."""
    there = stages()
    build = there[re.search(r"--from=(\S+) /paymesh", there[image])[1]]
    command = re.search(r"cargo build (.*?)(&&|$)", build, re.M)[1].split()
    named = command[command.index("--features") + 1].split(",") if "--features" in command else []
    named += [] if "--no-default-features" in command else ["default"]
    features = toml("crates/paymesh/Cargo.toml")["features"]
    for name in set(named) - features.keys():
        yield f"{image}: paymesh has no feature {name}"
    # What a feature brings may bring others.
    for name in named:
        named += [inner for inner in features.get(name, []) if inner in features and inner not in named]
    if set(named) - {"default"} != wanted:
        yield f"{image} has the features {sorted(set(named))}, and should have {sorted(wanted)}"
    if not {"--locked", "--release", "-p"} <= set(command):
        yield f"{image}: not the locked release of paymesh alone"


CHECKS = [
    what_is_copied_is_there,
    what_the_build_reads_is_copied,
    what_is_deployed_has_nothing_of_development,
    the_development_image_has_it_all,
]


def main():
    failed = 0
    for check in CHECKS:
        wrong = list(check())
        failed += bool(wrong)
        for what in wrong:
            print(f"FAILED: {check.__name__}: {what}")
    print(f"checks: {len(CHECKS) - failed} passed, {failed} failed")
    return failed > 0


sys.exit(main())
