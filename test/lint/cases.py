"""Fails when a case of a registry's or a layer's behaviour that the project answers for has no test.

R1 to R22 are what a client of registries has to get right, from anonymous pulls (R1) to mirrors (R22); L1 to L82
are the layers that tools have tripped over, from whiteouts (L1) to random ones against umoci (L82). A test
says which of them it is about: by a tag of Catch, "[R7]", or the first line of a Python test's docstring.
"""

import pathlib
import re
import sys
import tempfile

import sources

CASES = [f"R{number}" for number in range(1, 23)] + [f"L{number}" for number in range(1, 83)]
TEST_CASE = re.compile(r'TEST_CASE(?:_METHOD)?\(.*?\)\s*\{', re.DOTALL)
DOCSTRING = re.compile(r'def test_\w+\(self\):\s*"""(.*?)"""', re.DOTALL)
TAG = re.compile(r"\[([LR]\d+)\]")


def tags_of(path):
    text = path.read_text(encoding="utf-8")
    headings = DOCSTRING.findall(text) if path.suffix == ".py" else TEST_CASE.findall(text)
    return {tag for heading in headings for tag in TAG.findall(heading)}


def check(root):
    files = [*pathlib.Path(root, "test").rglob("*_test.cpp"), *pathlib.Path(root, "test").rglob("*_test.py")]
    found = set().union(*map(tags_of, files)) if files else set()
    for case in CASES:
        if case not in found:
            yield f"test: no test is tagged [{case}]"
    for tag in sorted(found - set(CASES)):
        yield f"test: a test is tagged [{tag}], which is no case"


def self_test():
    with tempfile.TemporaryDirectory() as directory:
        test = pathlib.Path(directory, "test")
        test.mkdir()
        all_but_two = "".join(f'TEST_CASE("x (y)",\n "[{case}]") {{}}\n' for case in CASES[2:])
        (test / "a_test.cpp").write_text(all_but_two + 'CHECK("[R1]");\n')
        (test / "b_test.py").write_text('def test_x(self):\n    """[R2]"""\n')
        assert list(check(directory)) == ["test: no test is tagged [R1]"], list(check(directory))
        (test / "c_test.cpp").write_text('TEST_CASE("x", "[R1][R99]") {}')
        assert list(check(directory)) == ["test: a test is tagged [R99], which is no case"]


if __name__ == "__main__":
    sys.exit(sources.run(sys.argv[1:], check, self_test))
