"""What the lints read: the C++ files of the tree, as (path, text) with comments and strings blanked."""

import pathlib
import re

ROOMS = ("catalog", "cli", "daemon", "guest", "pipelines", "test")
SUFFIXES = {".hpp", ".cpp", ".h", ".c"}

_COMMENTS_AND_STRINGS = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"', re.DOTALL)


def source_files(root):
    """Every C++ file below the project's rooms, sorted, as paths relative to `root`."""
    for room in ROOMS:
        for path in sorted((root / room).rglob("*")):
            if path.suffix in SUFFIXES:
                yield path.relative_to(root)


def code_of(text):
    """`text` without comments and string contents; every line keeps its number."""
    return _COMMENTS_AND_STRINGS.sub(_blank, text)


def _blank(match):
    lines = "\n" * match.group().count("\n")
    return '""' + lines if match.group().startswith(('"', "R")) else lines


def read(root, path):
    return (root / path).read_text(encoding="utf-8")


def run(arguments, check, self_test):
    """The lints' common main: `<lint>.py ROOT` checks a tree, `<lint>.py --self-test` checks the lint."""
    if arguments == ["--self-test"]:
        self_test()
        print("self-test passed")
        return 0
    problems = list(check(pathlib.Path(arguments[0])))
    print("\n".join(problems) or "nothing to report")
    return 1 if problems else 0
