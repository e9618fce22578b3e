"""Catalogs through the real bangerd: signed by minisign, served over loopback or as files, tampered with.

usage: BANGER_BIN=DIRECTORY catalog_daemon_test.py
"""

import datetime
import hashlib
import http.server
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import threading
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path += [str(HERE.parent / "e2e"), str(HERE.parent / "support")]

import harness  # noqa: E402
import script_registry  # noqa: E402

BIN = pathlib.Path(os.environ["BANGER_BIN"])


class Files(http.server.ThreadingHTTPServer):
    """A directory over loopback."""

    def __init__(self, directory):
        class Handler(http.server.SimpleHTTPRequestHandler):
            def __init__(self, *args):
                super().__init__(*args, directory=str(directory))

            def log_message(self, *_):
                pass

            def copyfile(self, source, outputfile):
                try:
                    super().copyfile(source, outputfile)
                except ConnectionError:
                    pass  # a client that has seen enough

        super().__init__(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.serve_forever)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server_port}"

    def close(self):
        self.shutdown()
        self.thread.join()
        self.server_close()


class CatalogCase(unittest.TestCase):
    def setUp(self):
        self.home = harness.Home()
        self.addCleanup(self.end)
        self.home.banger("config", "set", "accelerator", "tcg", check=0)
        self.site = self.home.dir / "site"
        self.site.mkdir()
        self.config = self.home.dir / "home/.config/banger/config.toml"
        self.server = Files(self.site)
        self.addCleanup(self.server.close)
        self.key = self.make_key("ours")

    def end(self):
        left, sockets = self.home.destroy()
        self.assertEqual((left, sockets), ([], []))

    def make_key(self, name):
        base = self.home.dir / name
        run("minisign", "-G", "-W", "-p", f"{base}.pub", "-s", f"{base}.key")
        return base

    def publish(self, entries, kind="images", version=1, days=1, key=None, **more):
        """Writes <kind>.json and its signature to the site."""
        expires = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)
        catalog = {"version": version, "type": kind, "expires": expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
                   "entries": entries, **more}
        path = self.site / f"{kind}.json"
        path.write_text(json.dumps(catalog))
        run("minisign", "-S", "-s", f"{key or self.key}.key", "-m", path)
        return path

    def bundle(self, files=None):
        """An image's bundle on the site, and its entry."""
        tar = self.home.dir / "root.tar"
        tar.write_bytes(script_registry.tar(files or {"etc/hostname": b"box\n", "big": os.urandom(300_000)}))
        made = json.loads(run(BIN / "banger", "internal", "make-bundle", "--json", "--rootfs-tar", tar, "--name", "box",
                              "--size", "64M", "--level", "1", "--out", self.site))
        name = pathlib.Path(made["path"]).name
        return pathlib.Path(made["path"]), {"name": "box", "arch": "x86_64", "kind": "bundle",
                                            "url": f"{self.server.url}/{name}", "sha256": made["sha256"],
                                            "size": made["size"], "description": "a box", "kernel_ref": "k"}

    def add(self, kind="images", **options):
        return self.home.banger("catalog", "add", kind, f"{self.server.url}/{kind}.json", "--key", f"{self.key}.pub",
                                **options)

    def refused(self, *words, says):
        done = self.home.banger(*words, check=1)
        sentences = [line for line in done.stderr.splitlines() if line.startswith("banger: ")]
        self.assertEqual(len(sentences), 1, done.stderr)
        self.assertIn(says, sentences[0])

    def assert_nothing_left(self):
        self.assertEqual(self.home.half_made(), [])
        self.assertEqual(self.home.json("image", "list"), [])


def run(*argv):
    return subprocess.run([str(word) for word in argv], check=True, stdout=subprocess.PIPE, timeout=120).stdout


def flip(path, at):
    content = bytearray(path.read_bytes())
    content[at] ^= 4
    path.write_bytes(content)


class Catalogs(CatalogCase):
    def test_an_image_is_pulled_by_its_name(self):
        _, entry = self.bundle()
        self.publish([entry, {"name": "later", "arch": "x86_64", "kind": "of-tomorrow", "url": "x:y"}], colour="green")
        self.add(check=0)
        available = {item["name"]: item for item in self.home.json("image", "list", "--available")}
        self.assertEqual(available["box"]["catalog"], "images")
        self.assertIn("debian-bookworm", available)
        self.home.banger("image", "pull", "box", check=0)
        image = self.home.json("image", "show", "box")
        self.assertEqual((image["kernel_ref"], image["description"]), ("k", "a box"))
        run("e2fsck", "-fn", image["rootfs_path"])
        self.home.banger("image", "pull", "box", "--name", "other", "--kernel-ref", "mine", check=0)
        other = self.home.json("image", "show", "other")
        self.assertEqual((other["id"], other["kernel_ref"]), (image["id"], "mine"))
        self.refused("image", "pull", "later", says="of the kind 'of-tomorrow'")
        self.refused("image", "pull", "box", "--size", "1G", says="a file system of its own size")
        # Without its entry, and without the catalog, it goes on.
        self.publish([], version=2)
        self.home.banger("catalog", "refresh", check=0)
        self.home.banger("catalog", "remove", "images", check=0)
        self.assertEqual(self.home.json("image", "show", "box")["id"], image["id"])
        self.assertNotIn("[[catalogs]]", self.config.read_text())

    def test_later_catalogs_win_and_outlive_the_daemon(self):
        _, entry = self.bundle()
        self.publish([{**entry, "name": "debian-bookworm", "description": "ours"}])
        self.add(check=0)
        local = self.home.dir / "local.json"
        local.write_text(self.site.joinpath("images.json").read_text().replace('"ours"', '"mine"'))
        self.home.banger("catalog", "add", "local", str(local), check=0)
        self.home.banger("daemon", "stop", check=0)
        names = [catalog["name"] for catalog in self.home.json("catalog", "list")]
        self.assertEqual(names, ["banger-images", "banger-kernels", "images", "local"])
        available = {item["name"]: item for item in self.home.json("image", "list", "--available")}
        self.assertEqual(available["debian-bookworm"]["description"], "mine")
        self.refused("catalog", "add", "local", str(local), says="there is a catalog named 'local' already")
        self.refused("catalog", "remove", "loc", says="did you mean 'local'?")
        self.refused("catalog", "remove", "banger-images", says="part of the program")

    def test_a_catalog_that_is_not_what_was_signed_is_refused_and_leaves_nothing(self):
        _, entry = self.bundle()
        path = self.publish([entry])
        signature = path.with_name("images.json.minisig")
        good = path.read_bytes(), signature.read_bytes()
        lines = good[1].split(b"\n")
        # Of the catalog its start, middle and end; of the signature each of its lines.
        places = [(path, at) for at in (0, len(good[0]) // 2, len(good[0]) - 1)]
        at = 0
        for line in lines[:4]:
            places += [(signature, at + 1), (signature, at + len(line) // 2), (signature, at + len(line) - 2)]
            at += len(line) + 1
        for file, at in places:
            with self.subTest(file=file.name, at=at):
                flip(file, at)
                self.add(check=1)
                path.write_bytes(good[0])
                signature.write_bytes(good[1])
                self.assertEqual(len(self.home.json("catalog", "list")), 2)
        self.assertFalse(self.config.exists() and "[[catalogs]]" in self.config.read_text())
        self.add(check=0)
        # What is here already stays good when a later copy is not.
        flip(path, 3)
        self.refused("catalog", "refresh", "images", says="is not what the key")
        self.home.banger("image", "pull", "box", check=0)

    def test_wrong_keys_old_versions_and_expired_catalogs_are_refused(self):
        _, entry = self.bundle()
        other = self.make_key("other")
        self.publish([entry], key=other)
        self.refused("catalog", "add", "images", f"{self.server.url}/images.json", "--key", f"{self.key}.pub",
                     says="none of those trusted for it")
        self.refused("catalog", "add", "images", f"{self.server.url}/images.json", says="needs the key")
        self.refused("catalog", "add", "images", f"{self.server.url}/images.json", "--key", "RWnonsense",
                     says="no public key of minisign")
        self.publish([entry], version=1, days=-1)
        self.refused("catalog", "add", "images", f"{self.server.url}/images.json", "--key", f"{self.key}.pub",
                     says="has expired")
        self.publish([entry], version=7)
        self.add(check=0)
        self.publish([entry], version=6)
        self.refused("catalog", "refresh", says="version 7 was seen already")
        self.home.banger("daemon", "stop", check=0)
        self.refused("catalog", "refresh", says="version 7 was seen already")
        self.publish([entry], version=7)
        self.home.banger("catalog", "refresh", check=0)

    def test_a_kept_copy_is_checked_again(self):
        _, entry = self.bundle()
        path = self.publish([entry])
        self.add(check=0)
        self.home.banger("daemon", "stop", check=0)
        copies = list(self.home.dir.rglob("catalogs/images.json"))
        kept = [copy for copy in copies if copy.read_bytes() == path.read_bytes()]
        self.assertEqual(len(kept), 1)
        flip(kept[0], 20)
        path.unlink()
        self.assertNotIn("box", {item["name"] for item in self.home.json("image", "list", "--available")})
        problem = {item["name"]: item["problem"] for item in self.home.json("catalog", "list")}["images"]
        self.assertNotEqual(problem, "")

    def test_what_is_no_catalog_is_refused_in_a_sentence(self):
        path = self.site / "images.json"
        cases = {"not JSON": "is not valid JSON", "[]": "expected an object", "{}": "no version"}
        for text, says in cases.items():
            with self.subTest(text=text):
                path.write_text(text)
                self.refused("catalog", "add", "x", str(path), says=says)
        _, entry = self.bundle()
        self.publish([entry, entry])
        self.refused("catalog", "add", "x", str(path), says="two entries are named 'box'")
        self.publish([{**entry, "url": "ftp://example.org/x"}])
        self.refused("catalog", "add", "x", str(path), says="neither https://")
        self.publish([{**entry, "url": "http://example.org/x"}])
        self.refused("catalog", "add", "x", str(path), says="plain HTTP")
        self.refused("catalog", "add", "x", "http://example.org/images.json", says="plain HTTP")
        self.refused("catalog", "add", "../x", str(path), says="no name for a catalog")
        self.refused("catalog", "add", "x", str(self.site / "none.json"), says="cannot open")
        self.assertEqual(len(self.home.json("catalog", "list")), 2)

    def test_a_bundle_that_is_not_the_one_is_refused_and_leaves_nothing(self):
        path, entry = self.bundle()
        self.publish([entry])
        self.add(check=0)
        good = path.read_bytes()
        for at in (0, len(good) // 3, len(good) // 2, len(good) - 1):
            with self.subTest(at=at):
                flip(path, at)
                self.refused("image", "pull", "box", says="is damaged")
                path.write_bytes(good)
                self.assert_nothing_left()
        path.write_bytes(good[:-1])
        self.refused("image", "pull", "box", says="bytes")
        path.unlink()
        self.refused("image", "pull", "box", says="is not there")
        self.assert_nothing_left()
        path.write_bytes(good)
        self.home.banger("image", "pull", "box", check=0)


class Kernels(CatalogCase):
    def publish_kernel(self, vmlinux=None):
        kernel = self.home.dir / "kernel"
        kernel.mkdir(exist_ok=True)
        shutil.copy(vmlinux or self.vmlinux(), kernel / "vmlinux")
        tar = self.home.dir / "k.tar"
        with tarfile.open(tar, "w") as archive:
            archive.add(kernel / "vmlinux", "vmlinux")
        run("zstd", "-q", "-f", tar)
        content = tar.with_suffix(".tar.zst").read_bytes()
        sha256 = hashlib.sha256(content).hexdigest()
        path = self.site / f"tiny-x86_64-{sha256[:12]}.tar.zst"
        path.write_bytes(content)
        self.publish([{"name": "tiny", "arch": "x86_64", "kind": "bundle", "distribution": "generic",
                       "url": f"{self.server.url}/{path.name}", "sha256": sha256, "size": len(content)}], "kernels")
        return path

    def vmlinux(self):
        """The least that is taken for a kernel: an ELF that says which Linux it is."""
        path = self.home.dir / "made-vmlinux"
        text = b"Linux version 6.12.1 (test)\n\0"
        header = bytearray(64)
        header[:20] = b"\x7fELF\x02\x01\x01" + bytes(9) + (2).to_bytes(2, "little") + (62).to_bytes(2, "little")
        header[20:24] = (1).to_bytes(4, "little")
        header[52:60] = b"".join(n.to_bytes(2, "little") for n in (64, 56, 0, 64))
        path.write_bytes(bytes(header) + text + bytes(4096))
        return path

    def test_a_kernel_is_pulled_replaced_and_removed(self):
        self.publish_kernel()
        self.add("kernels", check=0)
        self.assertIn("tiny", [item["name"] for item in self.home.json("kernel", "list", "--available")])
        self.home.banger("kernel", "pull", "tiny", check=0)
        kernel = self.home.json("kernel", "show", "tiny")
        self.assertEqual((kernel["version"], kernel["distro"]), ("6.12.1", "generic"))
        self.refused("kernel", "pull", "tiny", says="already")
        self.home.banger("kernel", "pull", "tiny", "--force", check=0)
        self.refused("kernel", "pull", "tinny", says="did you mean 'tiny'?")
        self.home.banger("kernel", "rm", "tiny", check=0)
        self.assertEqual(self.home.json("kernel", "list"), [])

    def test_two_pulls_at_once_pull_once(self):
        path = self.publish_kernel()
        self.add("kernels", check=0)
        words = [str(BIN / "banger"), "kernel", "pull", "tiny", "--force"]
        pulls = [subprocess.Popen(words, env=self.home.env, stdout=subprocess.DEVNULL) for _ in range(4)]
        self.assertEqual([pull.wait(timeout=120) for pull in pulls], [0] * 4)
        self.assertTrue(path.exists())
        self.assertEqual(len(self.home.json("kernel", "list")), 1)

    def test_a_kernel_that_is_not_the_one_or_none_at_all_is_refused_and_leaves_nothing(self):
        path = self.publish_kernel()
        self.add("kernels", check=0)
        good = path.read_bytes()
        for at in (0, len(good) // 2, len(good) - 1):
            with self.subTest(at=at):
                flip(path, at)
                self.refused("kernel", "pull", "tiny", says="is damaged")
                path.write_bytes(good)
        script = self.home.dir / "script"
        script.write_text("#!/bin/sh\n")
        self.publish_kernel(script)
        self.home.banger("catalog", "refresh", check=0)
        self.refused("kernel", "pull", "tiny", says="a script")
        self.assertEqual(self.home.json("kernel", "list"), [])
        self.assertEqual(self.home.half_made(), [])
        self.refused("kernel", "import", "x", "--from", str(self.site), says="no vmlinux or vmlinuz")


class Registered(CatalogCase):
    def test_a_file_is_made_known_promoted_and_missed(self):
        rootfs = self.home.dir / "mine.ext4"
        rootfs.write_bytes(b"")
        os.truncate(rootfs, 64 << 20)
        self.refused("image", "register", "--name", "mine", "--rootfs", str(rootfs), says="no ext4 file system")
        run("mkfs.ext4", "-q", "-F", rootfs)
        self.refused("image", "register", "--name", "mine", "--rootfs", str(rootfs), "--kernel", str(rootfs),
                     says="is not a Linux kernel")
        self.assertEqual(self.home.json("image", "list"), [])
        self.home.banger("image", "register", "--name", "mine", "--rootfs", str(rootfs), "--kernel-ref", "k", check=0)
        image = self.home.json("image", "show", "mine")
        self.assertEqual((image["managed"], image["rootfs_path"]), (False, str(rootfs)))
        self.refused("image", "register", "--name", "mine", "--rootfs", str(rootfs), says="already")
        self.home.banger("image", "promote", "mine", check=0)
        promoted = self.home.json("image", "show", "mine")
        self.assertTrue(promoted["managed"])
        self.assertEqual(promoted["kernel_ref"], "k")
        self.assertEqual(pathlib.Path(promoted["rootfs_path"]).read_bytes(), rootfs.read_bytes())
        self.assertLess(os.stat(promoted["rootfs_path"]).st_blocks * 512, 32 << 20)
        self.home.banger("image", "register", "--name", "lent", "--rootfs", str(rootfs), check=0)
        rootfs.unlink()
        self.refused("image", "promote", "lent", says="cannot open")
        self.refused("vm", "run", "--image", "lent", "--", "true", says="is gone from")
        self.home.banger("image", "delete", "lent", check=0)
        self.assertEqual(self.home.half_made(), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
