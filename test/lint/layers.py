"""Fails on an #include that points upward: the rooms and their order are those of docs/architecture.md."""

import pathlib
import re
import sys
import tempfile

import sources

# Room of a file: the first pattern that its path begins with, or matches whole.
ROOM_OF = (
    (r"daemon/api/types(_\w+)?\.hpp", "api types"),
    (r"guest/vsock-agent/protocol\.hpp", "guest protocol"),
    (r"guest/vsock-agent/.*", "guest agent"),
    (r"pipelines/io/.*", "io"),
    (r"pipelines/image/registry/(auth_file|credential|reference)\.[hc]pp", "image names"),
    (r"pipelines/image/.*", "image"),
    (r"pipelines/kernel/.*", "kernel"),
    (r"pipelines/bundle/.*", "bundle"),
    (r"catalog/.*", "catalog"),
    (r"daemon/(config(_\w+)?|paths|size|vm_ref)\.[hc]pp", "daemon settings"),
    (r"daemon/store/.*", "daemon/store"),
    (r"daemon/net/.*", "daemon/net"),
    (r"daemon/operations/.*", "daemon/operations"),
    (r"daemon/image/.*", "daemon/image"),
    (r"daemon/vm/.*", "daemon/vm"),
    (r"daemon/launcher/.*", "daemon/launcher"),
    (r"daemon/api/.*", "daemon/api"),
    (r"daemon/[^/]*", "daemon"),
    (r"cli/.*", "cli"),
    (r"test/.*", "test"),
)

PIPELINES = {"io", "image names", "image", "kernel", "bundle", "catalog"}
GROUND = PIPELINES | {"api types", "daemon settings"}
SERVICES = {"daemon/store", "daemon/net", "daemon/operations"}

# What a room may include besides itself.
MAY_INCLUDE = {
    "io": set(),
    "api types": set(),
    "guest protocol": set(),
    "guest agent": {"guest protocol"},
    "image names": {"io"},
    "image": {"io", "image names"},
    "kernel": {"io"},
    "bundle": {"io", "image names", "image", "kernel"},
    "catalog": {"io"},
    "daemon settings": {"io"},
    "daemon/store": GROUND,
    "daemon/net": GROUND,
    "daemon/operations": GROUND,
    "daemon/image": GROUND | SERVICES,
    "daemon/vm": GROUND | SERVICES | {"daemon/image", "guest protocol"},
    "daemon/launcher": {"io"},
    "daemon/api": GROUND | SERVICES | {"daemon/image", "daemon/vm"},
    "daemon": GROUND | SERVICES | {"daemon/image", "daemon/vm", "daemon/api"},
    "cli": {"io", "image names", "api types", "daemon settings"},
}

INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)


def room_of(path):
    for pattern, room in ROOM_OF:
        if re.fullmatch(pattern, str(path)):
            return room
    return None


def check(root):
    for path in sources.source_files(root):
        room = room_of(path)
        if room == "test":
            continue
        text = sources.read(root, path)
        for match in INCLUDE.finditer(text):
            target = room_of(match.group(1))
            line = text.count("\n", 0, match.start(1)) + 1
            if target is None:
                yield f"{path}:{line}: {match.group(1)} is not included by its path from the root"
            elif target != room and target not in MAY_INCLUDE[room]:
                yield f"{path}:{line}: {room} may not include {match.group(1)} ({target})"


def self_test():
    cases = {
        "pipelines/io/a.cpp": ("daemon/api/types.hpp", False),
        "pipelines/image/a.cpp": ("pipelines/io/a.hpp", True),
        "pipelines/image/b.cpp": ("pipelines/kernel/a.hpp", False),
        "daemon/store/a.cpp": ("daemon/vm/a.hpp", False),
        "daemon/image/a.cpp": ("daemon/vm/a.hpp", False),
        "daemon/vm/a.cpp": ("guest/vsock-agent/protocol.hpp", True),
        "daemon/api/a.cpp": ("guest/vsock-agent/protocol.hpp", False),
        "daemon/api/b.cpp": ("daemon/vm/a.hpp", True),
        "daemon/main.cpp": ("daemon/api/a.hpp", True),
        "cli/a.cpp": ("daemon/api/types.hpp", True),
        "cli/b.cpp": ("daemon/api/server.hpp", False),
        "guest/vsock-agent/a.cpp": ("pipelines/io/a.hpp", False),
        "daemon/vm/b.cpp": ("test/support/x.hpp", False),
        "daemon/vm/c.cpp": ("c.hpp", False),
        "test/unit/a.cpp": ("daemon/vm/a.hpp", True),
    }
    with tempfile.TemporaryDirectory() as directory:
        root = pathlib.Path(directory)
        for path, (target, _) in cases.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(f'#pragma once\n#include "{target}"\n', encoding="utf-8")
        found = {problem.split(":")[0] for problem in check(root)}
    assert found == {path for path, (_, allowed) in cases.items() if not allowed}, found
    assert_acyclic()


def assert_acyclic():
    """The table itself must describe layers."""
    done = set()
    while len(done) < len(MAY_INCLUDE):
        ready = {room for room, below in MAY_INCLUDE.items() if below <= done} - done
        assert ready, "MAY_INCLUDE has a cycle"
        done |= ready


if __name__ == "__main__":
    sys.exit(sources.run(sys.argv[1:], check, self_test))
