"""From a kernel and a tree to signed, named artefacts on a web server, and back into a VM on a home that has nothing.

    catalog_test.py Small    a tree and a kernel that the tests have anyway
    catalog_test.py Golden   the golden image and the generic kernel, both built here from a package mirror: an hour
"""

import gzip
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

import harness
from harness import ROOT, Home

sys.path.insert(0, str(ROOT / "test/support"))
from nginx import Nginx  # noqa: E402


def blob(layout, digest):
    return pathlib.Path(layout) / "blobs" / digest.replace(":", "/")


def layer_of(reference):
    """The one layer of an OCI layout, as a tar."""
    layout = reference.split(":")[1]
    index = json.loads((pathlib.Path(layout) / "index.json").read_text())
    manifest = json.loads(blob(layout, index["manifests"][0]["digest"]).read_text())
    [layer] = manifest["layers"]
    return gzip.decompress(blob(layout, layer["digest"]).read_bytes())


def regions(name, content):
    """A place in each part of a file. Of a signature's first line nothing is signed, as its name says."""
    if not name.endswith(".minisig"):
        return [0, 5, *(len(content) * quarter // 4 for quarter in (1, 2, 3)), len(content) - 1]
    comment, signature, trusted, whole = content.splitlines(keepends=True)[:4]
    begins = [len(comment), len(comment + signature), len(comment + signature + trusted)]
    algorithm, key, first = begins[0], begins[0] + 5, begins[0] + len(signature) // 2
    return [algorithm, key, first, begins[1] + len(trusted) // 2, begins[2] + len(whole) // 2]


class Arc:
    """Builds in one home, publishes to nginx, pulls and runs in another."""

    boot_seconds = harness.BOOT_SECONDS

    @classmethod
    def setUpClass(cls):
        cls.dir = pathlib.Path(tempfile.mkdtemp(prefix="barc-"))
        cls.addClassCleanup(shutil.rmtree, cls.dir)
        cls.web = cls.dir / "web"
        cls.web.mkdir()
        cls.nginx = Nginx(cls.web, cls.dir)
        cls.addClassCleanup(cls.nginx.close)
        cls.key = cls.dir / "key"
        subprocess.run(["minisign", "-G", "-W", "-p", f"{cls.key}.pub", "-s", cls.key], check=True,
                       stdout=subprocess.DEVNULL)
        for kind in ("images", "kernels"):
            (cls.dir / f"{kind}.json").write_text(json.dumps(
                {"version": 1, "type": kind, "expires": "2020-01-01T00:00:00Z", "entries": []}))
        cls.builder = cls.home()
        cls.builder.banger("kernel", "import", cls.kernel, *cls.kernel_source(), "--distro", "test", check=0)
        cls.script("catalog/publish-kernel", "--catalog", cls.dir / "kernels.json", cls.kernel)
        cls.script("golden-image/publish", "--catalog", cls.dir / "images.json", "--name", cls.image,
                   "--kernel-ref", cls.kernel, "--rootfs-tar", cls.rootfs())

    @classmethod
    def home(cls):
        made = Home()
        cls.addClassCleanup(cls.end, made)
        return made

    @classmethod
    def end(cls, home):
        left, sockets = home.destroy()
        assert not left and not sockets, f"left behind: {left} {sockets}"

    @classmethod
    def script(cls, script, *arguments):
        """Runs one of the project's scripts as its maintainer would; what it printed."""
        environment = {**cls.builder.env, "BANGER": str(harness.BIN / "banger"), "DIST_DIR": str(cls.dir / "dist"),
                       "BANGER_KERNELS_DIR": str(cls.builder.state / "kernels"), "RCLONE_CONFIG": "/dev/null",
                       "RCLONE_REMOTE": ":local", "RCLONE_BUCKET": str(cls.web), "BASE_URL": cls.nginx.url,
                       "MINISIGN_KEY": str(cls.key), "ZSTD_LEVEL": cls.level, "TMPDIR": str(cls.dir)}
        done = subprocess.run([ROOT / script, *map(str, arguments)], env=environment, check=False, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert done.returncode == 0, f"{script}: {done.stdout}\n{done.stderr}"
        return done.stdout

    def clean_home(self):
        """One that knows the catalogs, and has neither image nor kernel."""
        home = self.home()
        home.banger("config", "set", "boot_seconds", self.boot_seconds, check=0)
        for kind in ("images", "kernels"):
            home.banger("catalog", "add", f"ours-{kind}", f"{self.nginx.url}/{kind}.json", "--key",
                        f"{self.key}.pub", check=0)
        home.banger("daemon", "stop", check=0)
        return home


class Small(Arc, unittest.TestCase):
    image, kernel, level = "busybox-1", "cloud-6.1", "3"

    @classmethod
    def kernel_source(cls):
        return "--from-deb", harness.test_images("kernel")["kernel"]

    @classmethod
    def rootfs(cls):
        tar = cls.dir / "rootfs.tar"
        tar.write_bytes(layer_of(harness.test_images("busybox")["busybox"]))
        return tar

    def test_a_clean_home_pulls_image_and_kernel_by_name_and_runs(self):
        home = self.clean_home()
        done = home.banger("vm", "run", "--rm", "--image", self.image, "--", "cat", "/etc/passwd", check=0)
        self.assertIn("root:x:0:0:root:/root:/bin/sh", done.stdout)
        self.assertEqual([each["name"] for each in home.json("kernel", "list")], [self.kernel])
        self.assertEqual(home.half_made(), [])

    def test_what_is_taken_out_of_the_catalog_stays_where_it_was_pulled(self):
        home = self.clean_home()
        home.banger("image", "pull", self.image, check=0)
        home.banger("kernel", "pull", self.kernel, check=0)
        kept = {kind: (self.dir / f"{kind}.json").read_bytes() for kind in ("images", "kernels")}
        for kind, content in kept.items():
            catalog = json.loads(content)
            catalog["version"] += 1
            catalog["entries"] = []
            self.publish_catalog(kind, json.dumps(catalog).encode())
        home.banger("catalog", "refresh", check=0)
        self.assertNotIn(self.image, home.banger("image", "list", "--available", check=0).stdout)
        done = home.banger("vm", "run", "--rm", "--image", self.image, "--", "echo", "still works", check=0)
        self.assertEqual(done.stdout, "still works\n")
        for kind, content in kept.items():
            catalog = json.loads(content)
            catalog["version"] += 2
            self.publish_catalog(kind, json.dumps(catalog).encode())

    def publish_catalog(self, kind, content):
        path = self.web / f"{kind}.json"
        path.write_bytes(content)
        subprocess.run(["minisign", "-S", "-s", self.key, "-m", path], check=True, stdout=subprocess.DEVNULL)

    def test_a_changed_byte_in_any_part_is_refused_and_leaves_nothing(self):
        names = [path.name for path in self.web.iterdir()]
        self.assertEqual(len(names), 6, names)
        for name in sorted(names):
            path = self.web / name
            content = path.read_bytes()
            for at in regions(name, content):
                with self.subTest(name=name, at=at):
                    path.write_bytes(content[:at] + bytes([content[at] ^ 4]) + content[at + 1:])
                    try:
                        self.assert_refused(name)
                    finally:
                        path.write_bytes(content)

    def assert_refused(self, name):
        home = self.home()
        kind = "images" if name.startswith(("images", self.image)) else "kernels"
        added = home.banger("catalog", "add", "ours", f"{self.nginx.url}/{kind}.json", "--key", f"{self.key}.pub")
        if ".json" not in name:
            self.assertEqual(added.returncode, 0, added.stderr)
        home.banger("daemon", "stop", check=0)
        wanted = ("image", self.image) if kind == "images" else ("kernel", self.kernel)
        done = home.banger(wanted[0], "pull", wanted[1])
        self.assertNotEqual(done.returncode, 0, done.stdout)
        self.assertEqual(home.json(wanted[0], "list"), [])
        self.assertEqual(home.half_made(), [])


class Golden(Arc, unittest.TestCase):
    image, kernel, level, boot_seconds = "debian-bookworm", "generic-6.1", "19", 900

    @classmethod
    def kernel_source(cls):
        directory = os.environ.get("GENERIC_KERNEL_DIR")
        if not directory:
            directory = cls.dir / "kernel"
            subprocess.run([ROOT / "catalog/make-generic-kernel", "--from-debian", directory], check=True)
        return "--from", directory

    @classmethod
    def rootfs(cls):
        return os.environ.get("GOLDEN_ROOTFS_TAR") or \
            cls.script("golden-image/build", "--from-packages", cls.dir / "rootfs.tar").strip()

    def test_a_clean_home_runs_docker_in_what_it_pulled_by_name(self):
        home = self.clean_home()
        home.banger("vm", "run", "--image", self.image, "--name", "box", "--memory", "2G", "--wait", "system",
                    "--", "true", check=0, timeout=1200)
        run = lambda *command, **options: home.banger("vm", "exec", "box", "--", *command, check=0, **options).stdout
        self.assertEqual(run("systemctl", "is-system-running"), "running\n")
        self.assertIn("Server:", run("docker", "version"))
        archive = self.dir / "busybox.tar"
        subprocess.run(["skopeo", "--insecure-policy", "copy", "-q", harness.test_images("busybox")["busybox"],
                        f"docker-archive:{archive}:busybox:test"], check=True)
        run("docker", "load", input=archive.read_bytes(), text=False)
        self.assertEqual(run("docker", "run", "--rm", "busybox:test", "echo", "from a container"),
                         "from a container\n")
        done = home.banger("vm", "ssh", "box", "--", "sh", "-c", "echo \"$SSH_CONNECTION\" | wc -w; exit 42")
        self.assertEqual(done.returncode, 42, done.stderr)


if __name__ == "__main__":
    harness.main()
