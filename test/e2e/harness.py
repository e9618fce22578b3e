"""What the end-to-end tests stand on: banger in a home of its own, a real registry, real guests.

Everything lives below one temporary directory and is gone, and proven gone, at the end.
"""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ["BANGER_BIN"]).resolve()  # the directory of banger, bangerd, agent
BOOT_SECONDS = 120  # a guest under TCG on a busy machine; about 2 s on an idle one


def test_images(*names):
    """Paths of the images and the kernel that test/support/make-test-images makes, once."""
    done = subprocess.run([ROOT / "test/support/make-test-images", *names], check=True,
                          stdout=subprocess.PIPE, text=True)
    return dict(line.split(" ", 1) for line in done.stdout.splitlines())


def processes_with(text):
    """(pid, command line) of every process whose environment or command line names `text`."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        try:
            command = pathlib.Path(f"/proc/{entry}/cmdline").read_bytes()
            environment = pathlib.Path(f"/proc/{entry}/environ").read_bytes()
        except OSError:
            continue
        if text.encode() in command + environment:
            found.append((int(entry), command.replace(b"\0", b" ").decode(errors="replace")))
    return found


def has_ended(pid):
    """Gone, or a zombie that nobody has reaped yet."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


class Home:
    """A fresh home directory with the runtime directory beside it, and banger run in it; `inside` is the
    beginning of every command line, if its processes belong into another network namespace."""

    def __init__(self, inside=()):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="be2e-"))
        self.inside = list(inside)
        self.env = {
            "HOME": str(self.dir / "home"),
            "XDG_RUNTIME_DIR": str(self.dir / "run"),
            "PATH": os.environ["PATH"],
            "TERM": "xterm",
        }
        (self.dir / "home").mkdir()
        (self.dir / "run").mkdir(mode=0o700)
        self.socket = self.dir / "run/banger/bangerd.sock"
        self.state = self.dir / "home/.local/state/banger"
        self.cache = self.dir / "home/.cache/banger"

    def argv(self, *args):
        return [*self.inside, str(BIN / "banger"), *map(str, args)]

    def banger(self, *args, check=None, timeout=300, **options):
        """Runs banger; `check` is the exit status it must have."""
        options.setdefault("stdin", subprocess.DEVNULL)
        if "input" in options:
            options.pop("stdin")
        options.setdefault("text", True)
        done = subprocess.run(self.argv(*args), env=self.env, timeout=timeout,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
        if check is not None and done.returncode != check:
            raise AssertionError(f"banger {' '.join(map(str, args))}: exit {done.returncode}, not "
                                 f"{check}\n{done.stdout}\n{done.stderr}")
        return done

    def start(self, *args, **options):
        return subprocess.Popen(self.argv(*args), env=self.env, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, **options)

    def json(self, *args):
        return json.loads(self.banger(*args, "--json", check=0).stdout)

    def vms(self):
        return {vm["name"]: vm for vm in self.json("vm", "list")}

    def daemon_pid(self):
        return self.json("daemon", "status")["pid"]

    def kill_daemon(self):
        pid = self.daemon_pid()
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: has_ended(pid), "the daemon's end")

    def half_made(self):
        """Files that only an unfinished pull or import may have."""
        return [str(path) for tree in (self.state, self.cache) for path in tree.rglob("*")
                if ".staging" in path.name or ".tmp-" in path.name or ".deleted" in path.name]

    def destroy(self):
        """Deletes every VM, stops the daemon, and says what outlived it."""
        for name in self.vms():
            self.banger("vm", "delete", "--force", name)
        self.banger("daemon", "stop")
        wait_until(lambda: not processes_with(str(self.dir)), "the end of all processes",
                   fatal=False)
        left = processes_with(str(self.dir))
        for pid, _ in left:
            os.kill(pid, signal.SIGKILL)
        sockets = [str(path) for path in (self.dir / "run").rglob("*") if path.is_socket()]
        shutil.rmtree(self.dir, ignore_errors=True)
        return left, sockets


def wait_until(condition, what, seconds=30, fatal=True):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            if fatal:
                raise AssertionError(f"waited {seconds} s in vain for {what}")
            return
        time.sleep(0.05)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def make_certificate(directory, address):
    """certificate.pem, its own authority, and key.pem beside it."""
    certificate = pathlib.Path(directory) / "certificate.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                    "-nodes", "-days", "2", "-subj", "/CN=test", "-addext", f"subjectAltName=IP:{address}",
                    "-keyout", certificate.with_name("key.pem"), "-out", certificate],
                   check=True, stderr=subprocess.DEVNULL)
    return certificate


class Registry:
    """Debian's docker-registry on a loopback port or, given a command that puts it into another network
    namespace, at an address there; plain HTTP, or TLS with a certificate of its own at `certificate`."""

    def __init__(self, directory, address="127.0.0.1", inside=(), tls=False):
        self.storage = pathlib.Path(directory) / "registry"
        self.certificate = make_certificate(directory, address) if tls else None
        self.host = f"{address}:{free_port()}"
        self.inside = list(inside)
        config = pathlib.Path(directory) / "registry.yml"
        config.write_text(f"""
version: 0.1
log: {{level: error}}
storage:
  filesystem: {{rootdirectory: {self.storage}}}
  delete: {{enabled: true}}
http: {{addr: {self.host}{self.tls_keys()}}}
""")
        self.log = open(pathlib.Path(directory) / "registry.log", "wb")
        self.config = config
        self.process = None
        self.up()

    def tls_keys(self):
        if not self.certificate:
            return ""
        key = self.certificate.with_name("key.pem")
        return f", tls: {{certificate: {self.certificate}, key: {key}}}"

    def up(self):
        self.process = subprocess.Popen([*self.inside, "docker-registry", "serve", str(self.config)],
                                        stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL)
        wait_until(self.answers, "the registry")

    def answers(self):
        scheme = "https" if self.certificate else "http"
        return subprocess.run([*self.inside, "curl", "-skf", f"{scheme}://{self.host}/v2/"],
                              check=False, stdout=subprocess.DEVNULL).returncode == 0

    def push(self, source, name, *options):
        subprocess.run([*self.inside, "skopeo", "--insecure-policy", "copy", "-q", "--dest-tls-verify=false",
                        *options, source, f"docker://{self.host}/{name}"], check=True)
        return f"{self.host}/{name}"

    @contextlib.contextmanager
    def paused(self):
        """Whoever is pulling from it is caught in the middle meanwhile."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def down(self):
        self.process.terminate()
        self.process.wait(10)

    def close(self):
        self.down()
        self.log.close()


class Case(unittest.TestCase):
    """One home, one registry, one kernel for all tests of a class."""

    images = ("busybox", "kernel")

    @classmethod
    def setUpClass(cls):
        cls.made = test_images(*cls.images)
        cls.home = Home()
        cls.addClassCleanup(cls.end)
        cls.registry = Registry(cls.home.dir)
        cls.addClassCleanup(cls.registry.close)
        cls.home.banger("kernel", "import", "debian", "--from-deb", cls.made["kernel"], check=0)
        cls.home.banger("config", "set", "default_kernel", "debian", check=0)
        cls.home.banger("config", "set", "boot_seconds", BOOT_SECONDS, check=0)
        cls.home.banger("daemon", "stop", check=0)  # the configuration is read at start

    @classmethod
    def end(cls):
        left, sockets = cls.home.destroy()
        assert not left, f"processes left behind: {left}"
        assert not sockets, f"sockets left behind: {sockets}"

    def assert_one_sentence(self, done, *words):
        lines = [line for line in done.stderr.splitlines() if line.startswith("banger: ")]
        self.assertEqual(len(lines), 1, done.stderr)
        self.assertNotEqual(done.returncode, 0)
        for word in words:
            self.assertIn(word, lines[0])


def main():
    unittest.main(verbosity=2)
