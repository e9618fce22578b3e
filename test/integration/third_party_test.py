"""What the golden image takes from elsewhere than Debian is used only if it is what was meant."""

import hashlib
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from gpg_keys import Keys  # noqa: E402

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "golden-image/third-party"


class ThirdParty(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir = pathlib.Path(tempfile.mkdtemp(prefix="btp-"))
        cls.addClassCleanup(shutil.rmtree, cls.dir)
        cls.keys = Keys(cls.dir)
        cls.addClassCleanup(cls.keys.close)
        cls.docker, cls.stranger = cls.keys.make("docker"), cls.keys.make("stranger")
        cls.key = cls.write("docker.asc", cls.keys.gpg("--armor", "--export", cls.docker))

    @classmethod
    def write(cls, name, content):
        (cls.dir / name).write_bytes(content)
        return cls.dir / name

    def refusal(self, *argv):
        done = subprocess.run([SCRIPT, *map(str, argv)], check=False, text=True, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual(done.returncode == 0, done.stderr == "", done.stderr)
        self.assertEqual(done.stdout, "")
        return done.stderr

    def test_a_key_is_the_one_whose_fingerprint_is_written_down(self):
        self.assertEqual(self.refusal("check-key", self.key, self.docker), "")
        self.assertIn(f"has the keys '{self.docker}', not Docker's {self.stranger} alone",
                      self.refusal("check-key", self.key, self.stranger))

    def test_the_fingerprint_in_the_script_is_not_a_test_key(self):
        self.assertIn("not Docker's 9DC858229FC7DD38854AE2D88D81803C0EBFCD88 alone", self.refusal("check-key", self.key))

    def test_a_second_key_in_the_file_is_refused_because_apt_would_trust_it(self):
        both = self.write("both.asc", self.key.read_bytes() + self.keys.gpg("--armor", "--export", self.stranger))
        self.assertIn("alone", self.refusal("check-key", both, self.docker))
        ring = self.write("ring.gpg", self.keys.gpg("--export"))
        self.assertIn("alone", self.refusal("check-key", ring, self.docker))

    def test_what_is_no_key_is_refused(self):
        for name, content in (("page", b"<html>404</html>"), ("empty", b""),
                              ("damaged", self.key.read_bytes().replace(b"A", b"B"))):
            with self.subTest(name=name):
                self.assertIn("alone", self.refusal("check-key", self.write(name, content), self.docker))

    def test_an_archive_is_the_one_whose_sum_is_written_down(self):
        archive = self.write("mise.tar.gz", b"an archive")
        self.assertEqual(self.refusal("check-mise", archive, hashlib.sha256(b"an archive").hexdigest()), "")
        self.assertIn("is not mise", self.refusal("check-mise", archive))


if __name__ == "__main__":
    unittest.main()
