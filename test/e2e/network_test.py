"""The networks that need no privilege, each between a real guest and a real web server: in network namespaces
made here, with a name server far away and one on the host's loopback."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

import harness

PROGRAM = pathlib.Path(os.environ["BANGER_BIN"]) / "test/e2e_vm_network"
NAMES = pathlib.Path(__file__).resolve().parents[1] / "support/one_name_server.py"
FAR = "198.18.7.2"


def run(*words):
    subprocess.run(words, check=True)


class World:
    """Two network namespaces: `near` is the host of the VMs, `far` the rest of the world."""

    def __init__(self, directory):
        self.near, self.far = (f"bgr{os.getpid()}{end}" for end in "nf")
        self.directory = pathlib.Path(directory)
        self.servers = []
        (self.directory / "hello").write_text("hello from afar\n")
        for name in (self.near, self.far):
            run("ip", "netns", "add", name)
            run("ip", "-n", name, "link", "set", "lo", "up")
        run("ip", "link", "add", "veth0", "netns", self.near, "type", "veth", "peer", "name", "veth0",
            "netns", self.far)
        for name, address in ((self.near, "198.18.7.1"), (self.far, FAR)):
            run("ip", "-n", name, "addr", "add", f"{address}/24", "dev", "veth0")
            run("ip", "-n", name, "link", "set", "veth0", "up")
        run("ip", "-n", self.near, "route", "add", "default", "via", FAR)
        self.serve(self.far, "-m", "http.server", "--bind", FAR, "--directory", directory, "8000")
        self.serve(self.near, "-m", "http.server", "--bind", "127.0.0.1", "--directory", directory, "8001")
        self.serve(self.far, NAMES, FAR, "far.example", FAR)
        self.serve(self.near, NAMES, "127.0.0.53", "near.example", FAR)
        harness.wait_until(self.answers, "the web servers")

    def serve(self, name, *words):
        self.servers.append(subprocess.Popen(
            ["ip", "netns", "exec", name, sys.executable, *map(str, words)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

    def answers(self):
        return all(subprocess.run(["ip", "netns", "exec", self.near, "curl", "-sf", "-o", "/dev/null", url],
                                  check=False).returncode == 0
                   for url in (f"http://{FAR}:8000/hello", "http://127.0.0.1:8001/hello"))

    def close(self):
        for server in self.servers:
            server.kill()
            server.wait()
        for name in (self.near, self.far):
            subprocess.run(["ip", "netns", "delete", name], check=False)


@unittest.skipUnless(os.geteuid() == 0, "skipped: network namespaces with names need root")
class Networks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        harness.test_images("busybox", "kernel")
        cls.directory = tempfile.mkdtemp(prefix="bnet-")
        cls.addClassCleanup(shutil.rmtree, cls.directory)
        cls.world = World(cls.directory)
        cls.addClassCleanup(cls.world.close)

    def travel(self, network, program):
        if program and not shutil.which(program):
            self.skipTest(f"skipped: {program} is not installed")
        resolv = pathlib.Path(self.directory) / "resolv.conf"
        resolv.write_text("")
        done = subprocess.run(
            ["ip", "netns", "exec", self.world.near, "unshare", "--mount", "sh", "-c",
             'mount --bind "$1" /etc/resolv.conf && exec "$2"', "sh", resolv, PROGRAM],
            env={**os.environ, "BANGER_TEST_NETWORK": network, "BANGER_TEST_RESOLV": str(resolv)},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=900, check=False)
        self.assertEqual(done.returncode, 0, done.stdout)
        if "skipped: " in done.stdout:
            self.skipTest(done.stdout[done.stdout.index("skipped: "):].splitlines()[0])

    def test_qemu_by_itself(self):
        self.travel("builtin", None)

    def test_qemu_by_passt(self):
        self.travel("passt", "passt")

    def test_firecracker_by_slirp4netns(self):
        self.travel("slirp4netns", "slirp4netns")

    def test_firecracker_by_pasta(self):
        self.travel("pasta", "pasta")


if __name__ == "__main__":
    unittest.main(verbosity=2)
