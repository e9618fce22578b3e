"""Where a registry on the internet may send us: names that lead into private networks, in a network of this test's own.

usage: registry_address_test.py BUILD_DIRECTORY
"""
import http.server
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import unittest

INSIDE = "BANGER_TEST_INSIDE"
BUILD = pathlib.Path(sys.argv.pop()).resolve()
LIMIT = 60
# Documentation's own addresses (RFC 5737) stand for the internet; 10.9.8.7 is somebody's private network.
PUBLIC, OTHER_PUBLIC, PRIVATE = "203.0.113.5", "198.51.100.5", "10.9.8.7"
HOSTS = f"""127.0.0.1 localhost
{PUBLIC} registry.example
{OTHER_PUBLIC} tokens.example
{PRIVATE} trap.example
{PRIVATE} inner.example
{OTHER_PUBLIC} mixed.example
{PRIVATE} mixed.example
"""


class Server:
    """One HTTP server at an address; `answer` makes (status, headers, body) of a request's path and headers."""

    def __init__(self, address, port, answer):
        self.seen = []
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                server.seen.append((self.path, dict(self.headers)))
                status, headers, body = answer(self.path, self.headers)
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_HEAD = do_GET

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer((address, port), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Addresses(unittest.TestCase):
    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="banger-test-"))
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        config = self.dir / ".config/banger/config.toml"
        config.parent.mkdir(parents=True)
        names = ["registry.example", "tokens.example", "trap.example", "inner.example", "mixed.example"]
        config.write_text(f"plain_http_registries = {json.dumps(names)}\n")
        (self.dir / "run").mkdir(mode=0o700)
        self.env = {"PATH": os.environ["PATH"], "HOME": str(self.dir), "XDG_RUNTIME_DIR": str(self.dir / "run")}
        self.addCleanup(self.banger, "daemon", "stop")

    def banger(self, *args):
        return subprocess.run([BUILD / "banger", *args], env=self.env, capture_output=True, text=True, timeout=LIMIT,
                              stdin=subprocess.DEVNULL)

    def serve(self, *args):
        server = Server(*args)
        self.addCleanup(server.close)
        return server

    def pull(self, registry, realm):
        """What a pull says from a registry that sends for tokens to `realm`."""
        def answer(_, headers):
            if headers.get("Authorization") == "Bearer abc":
                return 404, {}, b""
            return 401, {"WWW-Authenticate": f'Bearer realm="{realm}"'}, b""
        address = PRIVATE if registry == "inner.example" else PUBLIC
        self.serve(address, 5000, answer)
        return self.banger("image", "pull", f"{registry}:5000/app:v1").stderr

    @staticmethod
    def token(*_):
        return 200, {}, b'{"token":"abc"}'

    def test_a_name_that_leads_into_a_private_network_is_refused(self):
        """[R8]"""
        trap = self.serve(PRIVATE, 6000, self.token)
        said = self.pull("registry.example", "http://trap.example:6000/token")
        self.assertIn("sends for a token to trap.example:6000, which is at 10.9.8.7, an address inside a private network", said)
        self.assertEqual(trap.seen, [])

    def test_a_name_with_one_bad_address_is_refused(self):
        """[R8]"""
        trap = self.serve(PRIVATE, 6000, self.token)
        good = self.serve(OTHER_PUBLIC, 6000, self.token)
        self.assertIn("inside a private network", self.pull("registry.example", "http://mixed.example:6000/token"))
        self.assertEqual(trap.seen + good.seen, [])

    def test_a_redirect_into_a_private_network_is_refused(self):
        """[R8]"""
        trap = self.serve(PRIVATE, 6000, self.token)
        self.serve(OTHER_PUBLIC, 6000, lambda *_: (302, {"Location": "http://trap.example:6000/token"}, b""))
        self.assertIn("inside a private network", self.pull("registry.example", "http://tokens.example:6000/token"))
        self.assertEqual(trap.seen, [])

    def test_a_token_service_as_far_outside_is_asked(self):
        """[R8]"""
        tokens = self.serve(OTHER_PUBLIC, 6000, self.token)
        self.assertIn("no image", self.pull("registry.example", "http://tokens.example:6000/token"))
        self.assertNotEqual(tokens.seen, [])

    def test_a_registry_in_a_private_network_may_have_its_token_service_there(self):
        """[R8]"""
        tokens = self.serve(PRIVATE, 6000, self.token)
        self.assertIn("no image", self.pull("inner.example", "http://trap.example:6000/token"))
        self.assertNotEqual(tokens.seen, [])


def enter_network():
    """Runs this program once more, where the addresses above are ours and /etc/hosts says so."""
    with tempfile.NamedTemporaryFile("w", suffix=".hosts") as hosts:
        hosts.write(HOSTS)
        hosts.flush()
        lines = ["set -e", "ip link set lo up", f"mount --bind {hosts.name} /etc/hosts"]
        lines += [f"ip addr add {address}/32 dev lo" for address in (PUBLIC, OTHER_PUBLIC, PRIVATE)]
        if subprocess.run(["unshare", "-rmn", "sh", "-c", "\n".join(lines)], check=False, capture_output=True).returncode:
            print("skipped: no network of its own can be made here")
            return 0
        lines.append('exec "$@"')
        return subprocess.run(["unshare", "-rmn", "sh", "-c", "\n".join(lines), "sh", sys.executable, *sys.argv, str(BUILD)],
                              env={**os.environ, INSIDE: "1"}, check=False).returncode


if __name__ == "__main__":
    if INSIDE not in os.environ:
        sys.exit(enter_network())
    unittest.main(verbosity=2)
