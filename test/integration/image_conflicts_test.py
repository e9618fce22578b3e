"""Images that are deleted while they are pulled, that would be taken for one another, or whose names are no names.

usage: BANGER_BIN=DIRECTORY image_conflicts_test.py
"""

import contextlib
import json
import pathlib
import sqlite3
import unicodedata

from image_daemon_test import ImageCase, noise

import harness
import script_registry
from harness import wait_until


class Deleted(ImageCase):
    """An image is deleted while a pull that found it waits for the word that it is still the same."""

    def setUp(self):
        super().setUp()
        self.reference = self.registry.image("app:v1", [script_registry.tar({"big": noise(200_000, 8)})])
        image = json.loads(self.home.banger("image", "pull", self.reference, "--json", check=0).stdout)
        self.rootfs = pathlib.Path(image["rootfs_path"])
        self.registry.clear()
        self.registry.heads.clear()
        self.operation = self.start_pull(self.reference)
        wait_until(lambda: self.registry.asked("HEAD", "/manifests/"), "the question")
        self.home.banger("image", "delete", image["name"], check=0)
        self.assertEqual(self.images(), {})

    def test_the_pull_has_it_all_the_same(self):
        self.registry.heads.set()
        self.assertEqual(self.end_of(self.operation)["state"], "succeeded")
        self.assertEqual(self.images()["app-v1"]["rootfs_path"], str(self.rootfs))
        self.assertTrue(self.rootfs.exists())
        self.assertEqual(self.registry.asked("GET"), [])
        self.home.banger("image", "delete", "app-v1", check=0)
        self.assertFalse(self.rootfs.parent.exists())

    def test_it_goes_with_the_pull_that_is_cancelled(self):
        self.assertTrue(self.rootfs.exists())
        self.curl(f"/v1/operations/{self.operation}", "-X", "DELETE")
        self.assertEqual(self.end_of(self.operation)["state"], "cancelled")
        self.assertFalse(self.rootfs.parent.exists())
        self.assert_nothing_left()


class SameBeginning(ImageCase):
    """An id is the beginning of a digest. Nobody can make two that begin alike, so the other one is written by hand."""

    def setUp(self):
        super().setUp()
        layers = [script_registry.tar({"a": b"a"})]
        self.reference, self.other_tag = (self.registry.image(name, layers) for name in ("app:v1", "app:v2"))
        self.image = json.loads(self.home.banger("image", "pull", self.reference, "--json", check=0).stdout)
        self.other = self.image["digest"][:7 + 16] + "0" * 48
        self.record = self.home.state / "images" / self.image["id"] / "manifest.json"

    def refused(self, reference):
        done = self.home.banger("image", "pull", reference, "--name", "second", check=1)
        self.assertIn(f"would have the id {self.image['id']}, which an image of another digest has", done.stderr)
        self.assertIn(self.other, done.stderr)
        self.assertNotIn("second", self.images())
        self.assertEqual(self.home.half_made(), [])

    def test_a_directory_of_another_digest_is_not_replaced(self):
        self.home.banger("image", "delete", self.image["name"], check=0)
        self.record.parent.mkdir()
        self.record.write_text(json.dumps({"digest": self.other}))
        self.refused(self.reference)
        self.assertIn(self.other, self.record.read_text())

    def test_an_image_of_another_digest_is_not_taken_for_it(self):
        self.home.banger("daemon", "stop", check=0)
        with contextlib.closing(sqlite3.connect(self.home.state / "banger.db")) as store, store:
            store.execute("UPDATE images SET document = replace(document, ?, ?)", (self.image["digest"], self.other))
        self.assertEqual(self.images()["app-v1"]["digest"], self.other)
        self.refused(self.other_tag)


class Terminal(ImageCase):
    ODD = "x\x1b]0;owned\x07\nbanger: all is well\u009b2J"

    def test_names_in_an_image_do_not_reach_the_terminal_as_they_are(self):
        below_a_file = self.registry.image("warns:v1", [script_registry.tar({self.ODD: b"", self.ODD + "/below": b""})])
        done = self.home.banger("image", "pull", below_a_file, check=0)
        warnings = self.images()["warns-v1"]["warnings"]
        self.assertTrue(warnings)
        outside = self.registry.image("fails:v1", [script_registry.tar({"../" + self.ODD: b""})])
        failed = self.home.banger("image", "pull", outside, check=1)
        for text in (done.stderr, failed.stderr, *warnings):
            self.assertEqual([c for c in text if unicodedata.category(c) == "Cc" and c != "\n"], [], text)
        self.assertEqual([text for text in warnings if "\n" in text], [])
        self.assertEqual([line for line in failed.stderr.splitlines() if line.startswith("banger: all")], [])
        self.assertIn("owned", failed.stderr)


if __name__ == "__main__":
    harness.main()
