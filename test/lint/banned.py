"""Fails on constructs that docs/CONTRIBUTING.md bans, each with its reason here."""

import pathlib
import re
import sys
import tempfile

import sources

BEAST = r"<boost/beast/"
SYSTEM = r"\bsystem\s*\("
POPEN = r"\bpopen\s*\("

BANNED = {
    r"\bdetached\b": "asio::detached: spawn in a TaskGroup and join it",
    r"\bawaitable_operators\b": "awaitable_operators: use race, when_all (pipelines/io/wait.hpp)",
    r"<boost/asio\.hpp>": "<boost/asio.hpp>: include the parts that are used",
    r"<boost/beast\.hpp>": "<boost/beast.hpp>: include the parts that are used",
    BEAST: "Beast: ten seconds of compilation; only the files listed in ALLOWED see it",
    r"\b(ioc|io|context|io_context)_?(\.|->)stop\(\)":
        "stopping the loop: it ends when its work has ended",
    SYSTEM: "system(): no shell strings; use run or Subprocess",
    POPEN: "popen(): no shell strings; use run or Subprocess",
    r"\bBOOST_ASIO_HAS_IO_URING": "Asio's own io_uring: it hangs at shutdown",
}

# Tests may call the shell: every word of their command lines is of their own making.
NOT_FOR_TESTS = {SYSTEM, POPEN}

# (pattern, file): why it may.
ALLOWED = {
    (BEAST, "pipelines/io/boost_beast.cpp"): "its function bodies are compiled here",
    (BEAST, "pipelines/io/http_stream.hpp"): "the HTTP client; part of http_connection.cpp",
    (BEAST, "pipelines/io/http_connection.cpp"): "the HTTP client",
    (BEAST, "pipelines/io/websocket_impl.hpp"): "WebSockets, for the two files that make them",
    (BEAST, "daemon/api/session.cpp"): "the HTTP server",
    (BEAST, "test/unit/io/websocket_test.cpp"): "plays the server of the WebSocket client",
}

# A header that includes Beast, and the only files that may include it.
BEAST_HEADERS = {
    "pipelines/io/http_stream.hpp": {"pipelines/io/http_connection.cpp"},
    "pipelines/io/websocket_impl.hpp": {
        "pipelines/io/websocket.cpp", "daemon/api/session.cpp", "test/unit/io/websocket_test.cpp"},
}

# Handlers of everything must keep what they caught (to await first, or to leave C code) or rethrow.
CATCH_ALL = re.compile(r"catch\s*\(\.\.\.\)\s*\{")
KEEPS = re.compile(r"current_exception\(\)|\bthrow;")
CATCH_ALL_ALLOWED = {
    "pipelines/io/wait.cpp": "asks what an exception is; any other one is simply not that",
    "daemon/operations/failure.cpp": "the edge: every exception becomes an operation's error",
}


def check(root):
    for path in sources.source_files(root):
        text = sources.read(root, path)
        code = sources.code_of(text)
        yield from banned_patterns(str(path), code)
        yield from beast_headers(str(path), text)
        yield from swallowed_exceptions(str(path), code)


def line_of(text, at):
    return text.count("\n", 0, at) + 1


def banned_patterns(path, code):
    for pattern, reason in BANNED.items():
        if (pattern, path) in ALLOWED:
            continue
        if pattern in NOT_FOR_TESTS and path.startswith("test/"):
            continue
        for match in re.finditer(pattern, code):
            yield f"{path}:{line_of(code, match.start())}: {reason}"


def beast_headers(path, text):
    for header, users in BEAST_HEADERS.items():
        at = text.find(f'#include "{header}"')
        if at >= 0 and path not in users:
            yield f"{path}:{line_of(text, at)}: {header} brings in Beast; see ALLOWED"


def swallowed_exceptions(path, code):
    if path in CATCH_ALL_ALLOWED:
        return
    for match in CATCH_ALL.finditer(code):
        if not KEEPS.search(block_at(code, match.end())):
            yield (f"{path}:{line_of(code, match.start())}: catch (...) that drops the exception; "
                   "keep or rethrow it, or catch what is meant")


def block_at(code, start):
    """The text of the block whose opening brace ends at `start`."""
    depth = 1
    for at in range(start, len(code)):
        depth += {"{": 1, "}": -1}.get(code[at], 0)
        if depth == 0:
            return code[start:at]
    return code[start:]


def self_test():
    bad = {
        "daemon/a.cpp": "co_spawn(x, y, asio::detached);",
        "daemon/b.cpp": "using namespace asio::experimental::awaitable_operators;",
        "daemon/c.cpp": "#include <boost/asio.hpp>",
        "daemon/d.cpp": "#include <boost/beast/http.hpp>",
        "daemon/e.cpp": "ioc.stop();",
        "daemon/f.cpp": 'std::system("rm");',
        "daemon/g.cpp": 'popen ("ls", "r");',
        "daemon/h.cpp": "try { f(); } catch (...) { if (x) { log(); } }",
        "daemon/i.cpp": '#include "pipelines/io/websocket_impl.hpp"',
        "daemon/j.cpp": "#include <boost/beast.hpp>",
    }
    good = {
        "daemon/k.cpp": "// never asio::detached, never std::system(x)\n/* ioc.stop() */",
        "daemon/l.cpp": 'fail("popen() is not used");',
        "daemon/m.cpp": "try { f(); } catch (...) { error = std::current_exception(); }",
        "daemon/n.cpp": "try { f(); } catch (...) { if (x) { g(); } throw; }",
        "test/a.cpp": 'std::system("true");',
        "daemon/o.cpp": "source.request_stop(); file_system(x);",
        "pipelines/io/websocket_impl.hpp": "#include <boost/beast/core.hpp>",
    }
    with tempfile.TemporaryDirectory() as directory:
        root = pathlib.Path(directory)
        for path, text in {**bad, **good}.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text + "\n", encoding="utf-8")
        found = {problem.split(":")[0] for problem in check(root)}
    assert found == set(bad), found ^ set(bad)


if __name__ == "__main__":
    sys.exit(sources.run(sys.argv[1:], check, self_test))
