"""The generic kernel's source is used only as one of the release keys signed it."""

import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from gpg_keys import Keys, run  # noqa: E402

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "catalog/make-generic-kernel"


class KernelSource(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir = pathlib.Path(tempfile.mkdtemp(prefix="bks-"))
        cls.addClassCleanup(shutil.rmtree, cls.dir)
        cls.keys = Keys(cls.dir)
        cls.addClassCleanup(cls.keys.close)
        cls.release, cls.stranger = cls.keys.make("release"), cls.keys.make("stranger")
        cls.keyring = cls.dir / "keys.asc"
        cls.keyring.write_bytes(cls.keys.gpg("--armor", "--export"))
        tree = cls.dir / "linux-9.9.9"
        tree.mkdir()
        (tree / "Makefile").write_text("VERSION = 9\n" * 2000)
        cls.tar = cls.dir / "linux-9.9.9.tar"
        run("tar", "-C", cls.dir, "-cf", cls.tar, tree.name)
        cls.source = cls.compress(cls.tar, "linux-9.9.9.tar.xz")
        cls.signature = cls.dir / "linux-9.9.9.tar.sign"
        cls.keys.sign(cls.release, cls.tar, cls.signature)

    @classmethod
    def compress(cls, tar, name):
        (cls.dir / name).write_bytes(run("xz", "-c", tar))
        return cls.dir / name

    def check(self, source=None, signature=None, trusted="release", keyring=None):
        key = ["--test-release-key", getattr(self, trusted)] if trusted else []
        done = subprocess.run([SCRIPT, "--check-source", "--source", source or self.source, "--signature",
                               signature or self.signature, "--keyring", keyring or self.keyring, *key],
                              check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.said = done.stderr
        return done.returncode == 0

    def refuse(self, *words, **what):
        self.assertFalse(self.check(**what), self.said)
        self.assertEqual(len(self.said.splitlines()), 1, self.said)
        for word in words:
            self.assertIn(word, self.said)

    def test_a_source_that_the_release_key_signed_is_taken(self):
        self.assertTrue(self.check(), self.said)
        self.assertIn(self.release, self.said)

    def test_a_key_that_only_a_test_trusts_is_none_of_the_three(self):
        self.refuse(self.release, "none of the kernel's release keys", trusted=None)

    def test_a_good_signature_of_another_key_is_refused(self):
        signature = self.dir / "stranger.sign"
        self.keys.sign(self.stranger, self.tar, signature)
        self.refuse(self.stranger, "none of", signature=signature)

    def test_a_source_with_a_changed_byte_is_refused(self):
        content = self.tar.read_bytes()
        for at in (0, 200, len(content) // 2, len(content) - 1):
            with self.subTest(at=at):
                changed = self.dir / "changed.tar"
                changed.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1:])
                self.refuse("does not hold", source=self.compress(changed, "changed.tar.xz"))

    def test_a_signature_with_a_changed_byte_is_refused(self):
        content = self.signature.read_bytes()
        changed = self.dir / "changed.sign"
        # Between the two lies what a signature says about itself unsigned: a hint which key to look for.
        for at in (*range(0, 36, 5), *range(len(content) - 64, len(content), 9)):
            with self.subTest(at=at):
                changed.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1:])
                self.refuse(signature=changed)

    def test_a_source_cut_short_is_refused(self):
        cut = self.dir / "cut.tar.xz"
        cut.write_bytes(self.source.read_bytes()[:-20])
        self.refuse("damaged", source=cut)

    def test_an_empty_signature_and_two_of_them_are_refused(self):
        signature = self.dir / "many.sign"
        for content in (b"", self.signature.read_bytes() * 2):
            signature.write_bytes(content)
            self.refuse("not one detached signature", signature=signature)

    def test_a_signature_of_a_key_that_has_expired_is_refused(self):
        then = "--faked-system-time", "20200101T000000"
        key = self.keys.make("expired", *then)
        keyring, signature = self.dir / "expired.asc", self.dir / "expired.sign"
        keyring.write_bytes(self.keys.gpg("--armor", "--export", key))
        self.keys.sign(key, self.tar, signature, *then)
        type(self).expired = key
        self.refuse("does not hold", signature=signature, keyring=keyring, trusted="expired")

    def test_a_signature_of_a_key_that_is_not_there_is_refused(self):
        keyring = self.dir / "other.asc"
        keyring.write_bytes(self.keys.gpg("--armor", "--export", self.stranger))
        self.refuse("does not hold", keyring=keyring)


if __name__ == "__main__":
    missing = [tool for tool in ("gpg", "xz") if not shutil.which(tool)]
    if missing:
        sys.exit(print("skipped: no", *missing))
    unittest.main(verbosity=2)
