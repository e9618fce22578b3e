"""A home with an image, a kernel and a daemon that the test itself starts and ends."""

import contextlib
import dataclasses
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import harness  # noqa: E402
from api import Api, Gone  # noqa: E402

# What every VM of these tests asks for: the host is small.
SMALL = {"vcpu": 1, "memory_mib": 160, "disk_size": 1 << 30}


class Daemon:
    """bangerd as its service manager has it."""

    def __init__(self, home):
        self.home = home
        self.log = open(home.dir / "bangerd.log", "ab")
        self.process = None
        self.start()

    def start(self):
        self.process = subprocess.Popen([harness.BIN / "bangerd"], env=self.home.env, stdin=subprocess.DEVNULL,
                                        stdout=self.log, stderr=self.log, start_new_session=True)
        harness.wait_until(self.answers, "the daemon", 60)

    def answers(self):
        assert self.process.poll() is None, f"the daemon ended with status {self.process.returncode}"
        try:
            return Api(self.home.socket).request("GET", "/v1/version")
        except Gone:
            return None

    def kill(self):
        self.process.kill()
        self.process.wait()

    def close(self):
        self.process.terminate()
        self.process.wait(60)
        self.log.close()

    def last_lines(self, count=60):
        return "\n".join((self.home.dir / "bangerd.log").read_text(errors="replace").splitlines()[-count:])


@dataclasses.dataclass
class Stage:
    home: harness.Home
    daemon: Daemon


@contextlib.contextmanager
def scene():
    """At the end everything is gone, and proven gone; a failure shows the daemon's last words."""
    made = harness.test_images("busybox", "kernel")
    home = harness.Home()
    try:
        home.banger("kernel", "import", "debian", "--from-deb", made["kernel"], check=0)
        home.banger("image", "pull", "--name", "busybox", made["busybox"], check=0)
        for key, value in {"default_kernel": "debian", "default_image": "busybox", "boot_seconds": 600}.items():
            home.banger("config", "set", key, value, check=0)
        home.banger("daemon", "stop", check=0)
        daemon = Daemon(home)
        try:
            yield Stage(home, daemon)
        except BaseException:
            print(daemon.last_lines(), file=sys.stderr)
            raise
        finally:
            daemon.close()
    finally:
        left, sockets = home.destroy()
        assert not left and not sockets, f"left behind: {left} {sockets}"
