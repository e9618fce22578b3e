"""A home in which bangerd is cut off, and the question what it finds there afterwards.

A state of the world is a dictionary: the name of every image that is listed, and the tag (of
images.py) whose bytes it must have.
"""

import hashlib
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "e2e"))
import harness  # noqa: E402
import images  # noqa: E402

TRACER = os.environ["BANGER_TRACER"]
LIMIT = 60
NAME = "x"
BUNDLE = "boxed"  # the name that a catalog has for one
SIZE = 24 << 20  # bytes of a file system: its digest is taken after every cut


class Cut(Exception):
    """The daemon went away before it had answered."""


class Connection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("bangerd", timeout=LIMIT)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def request(path, method, target, body=None):
    """(status, parsed answer); Cut when there is nobody, or nobody any more."""
    connection = Connection(path)
    try:
        connection.request(method, target, json.dumps(body) if body is not None else None)
        answer = connection.getresponse()
        text = answer.read()
    except (OSError, http.client.HTTPException) as error:
        if isinstance(error, socket.timeout):
            raise
        raise Cut(str(error)) from error
    finally:
        connection.close()
    return answer.status, json.loads(text) if text else None


def sha256(path):
    with open(path, "rb") as file:
        digest = hashlib.sha256()
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


class Daemon:
    """bangerd in a home; with `trace`, the arguments of kill_at_syscall, below that."""

    def __init__(self, world, trace=None):
        self.world = world
        command = [str(harness.BIN / "bangerd")]
        if trace is not None:
            command = [TRACER, *map(str, trace), "--", *command]
        shutil.rmtree(world.run / "banger", ignore_errors=True)  # that is a tmpfs
        self.log = open(world.dir / "log", "wb")
        self.process = subprocess.Popen(command, env=world.env, stdout=subprocess.PIPE,
                                        stderr=self.log, stdin=subprocess.DEVNULL, text=True)
        deadline = time.monotonic() + LIMIT
        while True:
            try:
                about = request(world.socket, "GET", "/v1/daemon")[1]
                break
            except Cut:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    killed = trace is not None and self.was_killed()
                    self.close()
                    if killed:
                        raise  # that is what tracing was for
                    raise AssertionError("bangerd does not start: " + world.log()) from None
                time.sleep(0.002)
        self.pid = about["pid"]
        self.writer = about["writer"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.process.poll() is None:
            self.process.kill()  # the tracer's child goes with it
        self.process.wait()
        self.process.stdout.close()
        self.log.close()

    def count(self):
        self.process.send_signal(signal.SIGUSR1)

    def mark(self):
        self.process.send_signal(signal.SIGUSR2)

    def was_killed(self):
        """Whether a traced daemon that does not answer any more met its end from outside."""
        return self.process.wait(LIMIT) == 0 and self.ended()[1] == signal.SIGKILL

    def ended(self):
        """(system calls counted, wait status) of a traced daemon that is over or about to be."""
        out, _ = self.process.communicate(timeout=LIMIT)
        count, status = out.split()
        return int(count), int(status)

    def request(self, method, target, body=None):
        return request(self.world.socket, method, target, body)

    def pull(self, source, name=NAME):
        size = {} if source == BUNDLE else {"size": SIZE}  # a bundle's file system has its own
        status, operation = self.request("POST", "/v1/images", {"reference": source, "name": name, **size})
        if status == 202:
            status, operation = self.request("GET", f"/v1/operations/{operation['id']}?wait=true")
        if operation.get("state") != "succeeded":
            raise AssertionError(f"the pull of {source} failed: {operation}")

    def delete(self, name=NAME):
        status, answer = self.request("DELETE", f"/v1/images/{name}")
        if status != 204:
            raise AssertionError(f"{name} cannot be deleted: {answer}")

    def stop(self):
        self.request("POST", "/v1/daemon/stop")
        code = self.process.wait(LIMIT)
        if code != 0:
            raise AssertionError(f"bangerd ended with {code}: {self.world.log()}")


def require_tracing():
    """Containers may refuse ptrace."""
    done = subprocess.run([TRACER, "--", "true"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        print(f"skipped: no program can be traced here: {done.stderr.strip()}")
        raise unittest.SkipTest("no program can be traced here")


class World:
    """One temporary directory: the home, a layout to pull from, and what its images look like when nobody
    disturbs their pull."""

    def __init__(self):
        require_tracing()
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="bcrash-"))
        self.home = self.dir / "home"
        self.run = self.dir / "run"
        self.run.mkdir(mode=0o700)
        self.socket = self.run / "banger/bangerd.sock"
        self.state = self.home / ".local/state/banger"
        self.cache = self.home / ".cache/banger"
        self.config = self.dir / "config/banger/config.toml"
        self.config.parent.mkdir(parents=True)
        self.config.write_text('accelerator = "tcg"\n')  # asks the kernel nothing
        self.env = {"HOME": str(self.home), "XDG_RUNTIME_DIR": str(self.run), "PATH": os.environ["PATH"],
                    "XDG_CONFIG_HOME": str(self.dir / "config"),
                    # Where bangerd is built with a sanitizer: leaks cannot be sought below a tracer.
                    "ASAN_OPTIONS": "detect_leaks=0"}
        images.make_layout(self.dir / "oci")
        self.registry = None
        self.expected = {}
        self.tags = {}
        self.learn({tag: self.layout(tag) for tag in "ab"})

    def learn(self, sources):
        """What the images of these tags look like."""
        self.empty_home()
        with Daemon(self) as daemon:
            for tag, source in sources.items():
                daemon.pull(source, tag)
            for image in daemon.request("GET", "/v1/images")[1]:
                self.expected[image["name"]] = sha256(image["rootfs_path"])
                self.tags[image["digest"]] = image["name"]
            daemon.stop()
        self.empty_home()

    def close(self):
        if self.registry:
            self.registry.close()
        shutil.rmtree(self.dir)

    def start_registry(self):
        if self.registry:
            return
        self.registry = harness.Registry(self.dir)
        for tag in "ab":
            self.registry.push(f"oci:{self.dir}/oci:{tag}", f"crash:{tag}")

    def add_bundle(self):
        """A catalog with one image, a bundle of the layout's `b`; the tag `c` from now on."""
        made = subprocess.run([harness.BIN / "banger", "internal", "make-bundle", "--json", "--oci", self.layout("b"),
                               "--name", BUNDLE, "--size", str(SIZE >> 20), "--out", self.dir / "bundles"],
                              env=self.env, check=True, stdout=subprocess.PIPE)
        made = json.loads(made.stdout)
        entry = {"name": BUNDLE, "arch": "x86_64", "kind": "bundle", "url": f"file://{made['path']}",
                 "sha256": made["sha256"], "size": made["size"]}
        catalog = self.dir / "images.json"
        catalog.write_text(json.dumps({"version": 1, "type": "images", "expires": "2100-01-01T00:00:00Z",
                                       "entries": [entry]}))
        with self.config.open("a") as config:
            config.write(f'[[catalogs]]\nname = "crash"\nurl = "file://{catalog}"\n')
        self.learn({"c": BUNDLE})

    def layout(self, tag):
        return f"oci:{self.dir}/oci:{tag}"

    def archive(self, tag):
        """The layout as one compressed file, which bangerd has to unpack somewhere first."""
        path = self.dir / "oci.tar.gz"
        if not path.exists():
            with tarfile.open(path, "w:gz", compresslevel=1) as tar:
                for child in sorted((self.dir / "oci").iterdir()):
                    tar.add(child, child.name)
        return f"oci-archive:{path}:{tag}"

    def remote(self, tag):
        return f"{self.registry.host}/crash:{tag}"

    def empty_home(self):
        shutil.rmtree(self.home, ignore_errors=True)
        self.home.mkdir()

    def keep_home(self, name):
        """Keeps what the home is now, for use_home."""
        subprocess.run(["cp", "-a", "--sparse=always", self.home, self.dir / name], check=True)

    def use_home(self, name):
        shutil.rmtree(self.home, ignore_errors=True)
        subprocess.run(["cp", "-a", "--sparse=always", self.dir / name, self.home], check=True)

    def log(self):
        return (self.dir / "log").read_text(errors="replace")

    def half_made(self):
        return [str(path) for tree in (self.state, self.cache) for path in tree.rglob("*")
                if any(mark in path.name for mark in (".staging", ".tmp-", ".deleted"))]

    def check_whole(self, daemon):
        """Nothing half made, no content without a name; every image has its bytes. Returns the state."""
        assert not self.half_made(), f"left behind: {self.half_made()}"
        listed = daemon.request("GET", "/v1/images")[1]
        contents = {path.name for path in (self.state / "images").iterdir()}
        assert contents == {image["id"] for image in listed}, f"{contents} is there, listed: {listed}"
        for image in listed:
            tag = self.tags[image["digest"]]
            rootfs = pathlib.Path(image["rootfs_path"])
            assert sha256(rootfs) == self.expected[tag], f"{rootfs} is not the image {tag}"
            record = json.loads((rootfs.parent / "manifest.json").read_text())
            assert record["digest"] == image["digest"], record
        return {image["name"]: self.tags[image["digest"]] for image in listed}

    def check_after_cut(self, allowed, source):
        """The daemon starts on what is there, and finds one of the `allowed` states; the image `a` can then be
        pulled from `source`, when there is one."""
        with Daemon(self) as daemon:
            found = self.check_whole(daemon)
            assert found in allowed, f"found the images {found}, not one of {allowed}"
            if source:
                daemon.pull(source)
                assert self.check_whole(daemon) == {NAME: "a"}
            daemon.stop()
