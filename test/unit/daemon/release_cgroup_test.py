#!/usr/bin/env python3
"""What systemd/release-cgroup takes off the cgroup of a unit whose daemon has ended.

usage: release_cgroup_test.py RELEASE_CGROUP
"""

import pathlib
import subprocess
import sys
import tempfile
import unittest

SCRIPT = sys.argv.pop(1)


class ReleaseCgroup(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)
        self.unit = pathlib.Path(self.directory.name)
        self.groups = {"": "memory pids", "banger-12ab34cd": "memory pids", "banger-12ab34cd/0123456789ab": "",
                       "banger-daemon": ""}
        for name, controllers in self.groups.items():
            (self.unit / name).mkdir(exist_ok=True)
            self.file(name).write_text(controllers + "\n")

    def file(self, name):
        return self.unit / name / "cgroup.subtree_control"

    def told(self):
        subprocess.run([SCRIPT, self.unit], check=True)
        return {name: self.file(name).read_text().strip() for name in self.groups}

    def test_what_is_enabled_is_disabled_from_below(self):
        self.assertEqual(self.told(), {**self.groups, "": "-memory -pids", "banger-12ab34cd": "-memory -pids"})

    def test_a_daemon_that_systemd_has_put_below_needs_nothing(self):
        self.file("banger-daemon").unlink()
        (self.unit / "banger-daemon").rmdir()
        del self.groups["banger-daemon"]
        self.assertEqual(self.told(), self.groups)

    def test_a_unit_without_limits_is_left_alone(self):
        self.file("").write_text("\n")
        self.file("banger-12ab34cd").write_text("\n")
        self.assertEqual(self.told(), dict.fromkeys(self.groups, ""))


if __name__ == "__main__":
    unittest.main()
