"""What publish scripts upload is what the world gets, and the catalog says so, signed."""

import hashlib
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "test/support"))
from nginx import Nginx  # noqa: E402


class Publishing(unittest.TestCase):
    """A kernel of a few bytes: publishing looks at none of them."""

    @classmethod
    def setUpClass(cls):
        cls.dir = pathlib.Path(tempfile.mkdtemp(prefix="bpub-"))
        cls.addClassCleanup(shutil.rmtree, cls.dir)
        cls.web = cls.dir / "web"
        cls.web.mkdir()
        cls.nginx = Nginx(cls.web, cls.dir)
        cls.addClassCleanup(cls.nginx.close)
        cls.key = cls.dir / "key"
        subprocess.run(["minisign", "-G", "-W", "-p", f"{cls.key}.pub", "-s", cls.key], check=True,
                       stdout=subprocess.DEVNULL)

    def setUp(self):
        self.kernels, self.dist = self.dir / "kernels", self.dir / "dist"
        for directory in (self.kernels, self.dist, self.web):
            shutil.rmtree(directory, ignore_errors=True)
            directory.mkdir()
        self.catalog = self.dir / "kernels.json"
        self.write_catalog([])
        self.import_kernel("generic-9.9", b"\x7fELF the kernel")

    def write_catalog(self, entries):
        self.catalog.write_text(json.dumps({"version": 4, "type": "kernels",
                                            "expires": "2020-01-01T00:00:00Z", "entries": entries}))

    def import_kernel(self, name, content, modules=()):
        directory = self.kernels / name
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "vmlinux").write_bytes(content)
        for module in modules:
            path = directory / "modules/9.9.9" / module
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"module")
        (directory / "manifest.json").write_text(json.dumps(
            {"name": name, "version": "9.9.9-banger", "arch": "x86_64", "distro": "generic"}))

    def publish(self, *arguments, check=True, **environment):
        done = subprocess.run(
            [ROOT / "catalog/publish-kernel", "--catalog", self.catalog, *arguments], text=True, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
            env={"PATH": os.environ["PATH"], "HOME": str(self.dir), "BANGER_KERNELS_DIR": str(self.kernels),
                 "DIST_DIR": str(self.dist), "RCLONE_REMOTE": ":local", "RCLONE_BUCKET": str(self.web),
                 "RCLONE_CONFIG": "/dev/null", "BASE_URL": self.nginx.url, **environment})
        self.assertEqual(done.returncode == 0, check, done.stdout + done.stderr)
        return done

    def entries(self):
        return json.loads(self.catalog.read_text())["entries"]

    def fetch(self, url):
        return subprocess.run(["curl", "-fsS", url], check=True, stdout=subprocess.PIPE).stdout

    def test_the_catalog_names_what_the_world_gets(self):
        done = self.publish("--description", "A kernel", "generic-9.9", MINISIGN_KEY=str(self.key))
        [entry] = self.entries()
        bundle = self.fetch(entry["url"])
        self.assertEqual(hashlib.sha256(bundle).hexdigest(), entry["sha256"])
        self.assertEqual(len(bundle), entry["size"])
        self.assertEqual(entry["url"], f"{self.nginx.url}/generic-9.9-x86_64-{entry['sha256'][:12]}.tar.zst")
        self.assertEqual({key: entry[key] for key in ("name", "arch", "version", "kind", "distribution")},
                         {"name": "generic-9.9", "arch": "x86_64", "version": "9.9.9-banger",
                          "kind": "bundle", "distribution": "generic"})
        self.assertIn("next steps", done.stdout)
        catalog = json.loads(self.catalog.read_text())
        self.assertEqual(catalog["version"], 5)
        self.assertGreater(catalog["expires"], time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
        self.assertEqual(self.fetch(f"{self.nginx.url}/kernels.json"), self.catalog.read_bytes())
        (self.dir / "fetched.minisig").write_bytes(self.fetch(f"{self.nginx.url}/kernels.json.minisig"))
        subprocess.run(["minisign", "-Vq", "-p", f"{self.key}.pub", "-m", self.catalog,
                        "-x", self.dir / "fetched.minisig"], check=True)

    def test_the_same_kernel_gives_the_same_bytes_whoever_has_it_and_whenever(self):
        self.import_kernel("generic-9.9", b"kernel", modules=("b.ko", "a.ko"))
        first = self.publish("--skip-upload", "generic-9.9").stdout
        shutil.rmtree(self.kernels)
        self.import_kernel("generic-9.9", b"kernel", modules=("a.ko", "b.ko"))
        for path in self.kernels.rglob("*"):
            path.chmod(0o700 if path.is_dir() else 0o600)
            os.utime(path, (1e9, 1e9))
        self.assertEqual(self.publish("--skip-upload", "generic-9.9").stdout, first)

    def test_a_bundle_has_the_kernel_and_nothing_of_who_made_it(self):
        self.import_kernel("generic-9.9", b"kernel", modules=("a.ko",))
        path, sha256, size = self.publish("--skip-upload", "generic-9.9").stdout.splitlines()
        listed = subprocess.run(["tar", "--numeric-owner", "-tvf", path], check=True, text=True, stdout=subprocess.PIPE)
        rows = [line.split() for line in listed.stdout.splitlines()]
        self.assertEqual([row[5] for row in rows],
                         ["vmlinux", "modules/", "modules/9.9.9/", "modules/9.9.9/a.ko"])
        self.assertEqual({row[1] for row in rows}, {"0/0"})
        self.assertEqual(hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest(), sha256)
        self.assertEqual(os.stat(path).st_size, int(size))

    def test_skipping_the_upload_changes_neither_catalog_nor_web(self):
        before = self.catalog.read_bytes()
        self.publish("--skip-upload", "generic-9.9", MINISIGN_KEY=str(self.key))
        self.assertEqual(self.catalog.read_bytes(), before)
        self.assertEqual(list(self.web.iterdir()), [])

    def test_an_entry_takes_the_place_of_its_predecessor_in_the_order_of_names(self):
        entry = {"arch": "x86_64", "kind": "deb", "url": "file:///x", "sha256": "0" * 64, "size": 1}
        self.write_catalog([{"name": "zeta", **entry}, {"name": "generic-9.9", **entry},
                            {"name": "generic-9.9", **entry, "arch": "aarch64"}, {"name": "alpha", **entry}])
        self.publish("generic-9.9")
        self.assertEqual([(each["name"], each["arch"], each["kind"]) for each in self.entries()],
                         [("alpha", "x86_64", "deb"), ("generic-9.9", "aarch64", "deb"),
                          ("generic-9.9", "x86_64", "bundle"), ("zeta", "x86_64", "deb")])

    def refuse(self, *words, name="generic-9.9", **environment):
        before = self.catalog.read_bytes()
        done = self.publish(name, check=False, **environment)
        for word in words:
            self.assertIn(word, done.stderr)
        self.assertEqual(self.catalog.read_bytes(), before)

    def test_a_bundle_that_the_world_does_not_see_is_not_put_into_the_catalog(self):
        self.refuse("does not answer", BASE_URL=self.nginx.url + "/elsewhere")

    def test_a_bundle_that_the_world_sees_otherwise_is_not_put_into_the_catalog(self):
        path, _, _ = self.publish("--skip-upload", "generic-9.9").stdout.splitlines()
        stale = self.web / "stale"
        stale.mkdir()
        (stale / pathlib.Path(path).name).write_bytes(b"an old file")
        self.refuse("has 11 bytes instead of", BASE_URL=self.nginx.url + "/stale")

    def test_what_is_missing_is_said_before_anything_is_made(self):
        self.refuse("no kernel absent", "banger kernel import", name="absent")
        self.refuse("BASE_URL is not set", BASE_URL="")
        self.assertEqual(list(self.dist.iterdir()), [])

    def test_an_upload_that_fails_leaves_the_catalog_as_it_was(self):
        (self.dir / "file").write_text("not a directory")
        self.refuse("rclone cannot write", RCLONE_BUCKET=str(self.dir / "file/below"))

    def test_a_store_that_speaks_s3_is_a_remote_as_any(self):
        server = shutil.which("moto_server")
        if not server:
            self.skipTest("no S3 server here; 'pip install moto[server]' brings one")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        endpoint = f"http://127.0.0.1:{port}"
        log = open(self.dir / "s3.log", "wb")
        process = subprocess.Popen([server, "-H", "127.0.0.1", "-p", str(port)], stdout=log, stderr=log)
        self.addCleanup(log.close)
        self.addCleanup(process.wait, 30)
        self.addCleanup(process.terminate)
        remote = {"RCLONE_CONFIG_STORE_TYPE": "s3", "RCLONE_CONFIG_STORE_PROVIDER": "Other",
                  "RCLONE_CONFIG_STORE_ENDPOINT": endpoint, "RCLONE_CONFIG_STORE_ACCESS_KEY_ID": "key",
                  "RCLONE_CONFIG_STORE_SECRET_ACCESS_KEY": "secret", "RCLONE_CONFIG_STORE_ACL": "public-read",
                  "RCLONE_REMOTE": "store", "RCLONE_BUCKET": "kernels", "BASE_URL": f"{endpoint}/kernels"}
        deadline = time.monotonic() + 60
        while subprocess.run(["curl", "-sf", "-o", "/dev/null", endpoint], check=False).returncode:
            self.assertLess(time.monotonic(), deadline, "no S3 server")
            time.sleep(0.1)
        self.publish("generic-9.9", MINISIGN_KEY=str(self.key), **remote)
        [entry] = self.entries()
        self.assertEqual(hashlib.sha256(self.fetch(entry["url"])).hexdigest(), entry["sha256"])
        self.assertEqual(self.fetch(f"{endpoint}/kernels/kernels.json"), self.catalog.read_bytes())


if __name__ == "__main__":
    unittest.main(verbosity=2)
