"""Runs the layer cases that aim outside of the image under strace: nothing is written but in the test's own directory.

Usage: layer_writes.py LAYERS_TESTS
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

# What makes, changes or removes something by name; opening counts when it is for writing.
CALLS = ("open,openat,openat2,creat,mkdir,mkdirat,mknod,mknodat,link,linkat,symlink,symlinkat,rename,renameat,renameat2,"
         "unlink,unlinkat,rmdir,truncate,chmod,fchmodat,chown,lchown,fchownat,utimensat,setxattr,lsetxattr,mount")
WRITES = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_APPEND|O_TMPFILE")
HARMLESS = ("/dev/null", "/dev/tty", "/proc/self/", "anon_inode:")


def paths_written(log):
    """The paths of every call that writes and did not fail."""
    for line in log:
        match = re.match(r"(?:\d+ +)?(\w+)\((.*)\) += (-?\d+|\?)", line)
        if not match or match[3].startswith("-"):
            continue
        if match[1].startswith("open") and not WRITES.search(match[2]):
            continue
        paths = re.findall(r'"((?:[^"\\]|\\.)*)"', match[2])
        # The text of a symlink is no path that is written to.
        if match[1].startswith("symlink"):
            paths = paths[1:]
        base = re.match(r"\d+<([^>]*)>", match[2])
        for path in paths:
            yield path if path.startswith("/") or not base else os.path.join(base[1], path)


class LayerWrites(unittest.TestCase):
    def test_nothing_is_written_outside(self):
        if not shutil.which("strace"):
            self.skipTest("strace is not installed")
        with tempfile.TemporaryDirectory() as home:
            log = os.path.join(home, "strace.log")
            state = os.path.join(home, "state")
            os.mkdir(state)
            run = subprocess.run(
                ["strace", "-f", "-y", "-qq", "-s", "4096", "-o", log, "-e", "trace=" + CALLS,
                 LAYERS_TESTS, "[outside]"],
                env={**os.environ, "TMPDIR": state}, cwd=state, capture_output=True, text=True, timeout=250, check=False)
            if "PTRACE" in run.stderr or "ptrace" in run.stderr:
                self.skipTest("this host does not let strace trace")
            self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
            with open(log, encoding="utf-8", errors="replace") as lines:
                written = [path for path in paths_written(lines) if not path.startswith(HARMLESS)]
        # Else the check would pass when it sees nothing at all.
        self.assertTrue(any(path.endswith("rootfs.ext4") for path in written), written)
        self.assertEqual([path for path in written if not os.path.normpath(path).startswith(state + "/")], [])

    def test_a_write_outside_would_be_seen(self):
        log = ['12 openat(AT_FDCWD</w>, "/etc/x", O_WRONLY|O_CREAT, 0600) = 5</etc/x>',
               '12 openat(AT_FDCWD</w>, "/etc/y", O_RDONLY) = 5',
               '12 unlink("/etc/z") = -1 ENOENT (No such file or directory)',
               '12 symlink("/etc/t", "/tmp/s") = 0', '12 mkdirat(7</var>, "d", 0700) = 0']
        self.assertEqual(list(paths_written(log)), ["/etc/x", "/tmp/s", "/var/d"])


if __name__ == "__main__":
    LAYERS_TESTS = os.path.abspath(sys.argv.pop(1))
    unittest.main()
