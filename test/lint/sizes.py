"""Fails on a file that has grown past what can be read in one go: 400 lines, 600 for tests."""

import pathlib
import sys
import tempfile

import sources

LIMIT = 400
TEST_LIMIT = 600


def check(root):
    for path in sources.source_files(root):
        limit = TEST_LIMIT if path.parts[0] == "test" else LIMIT
        lines = sources.read(root, path).count("\n")
        if lines > limit:
            yield f"{path}: {lines} lines; split it, the limit is {limit}"


def self_test():
    sizes = {"daemon/a.cpp": 400, "daemon/b.hpp": 401, "test/a.cpp": 600, "test/b.cpp": 601}
    with tempfile.TemporaryDirectory() as directory:
        root = pathlib.Path(directory)
        for path, lines in sizes.items():
            (root / path).parent.mkdir(exist_ok=True)
            (root / path).write_text("\n" * lines, encoding="utf-8")
        found = {problem.split(":")[0] for problem in check(root)}
    assert found == {"daemon/b.hpp", "test/b.cpp"}, found


if __name__ == "__main__":
    sys.exit(sources.run(sys.argv[1:], check, self_test))
