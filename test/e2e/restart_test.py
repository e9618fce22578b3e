#!/usr/bin/env python3
"""A VM and what runs in it, over a restart, an upgrade and a SIGKILL of the daemon."""

import os
import shutil
import signal
import subprocess
import time
import unittest

import harness


class RestartTest(harness.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.home.banger("image", "pull", "--name", "busybox", cls.made["busybox"], check=0)
        cls.home.banger("config", "set", "default_image", "busybox", check=0)
        cls.home.banger("daemon", "stop", check=0)

    def shell(self, script):
        return self.home.banger("vm", "exec", "box", "--", "sh", "-c", script, check=0).stdout

    def end_by_sigkill(self):
        self.home.kill_daemon()

    def end_by_command(self):
        self.home.banger("daemon", "stop", check=0)

    def test_1_what_runs_in_a_vm_runs_on(self):
        self.home.banger("vm", "run", "-d", "--name", "box", "--memory", "192M", check=0)
        boot_id = self.home.vms()["box"]["boot_id"]
        for end in (self.end_by_sigkill, self.end_by_command):
            with self.subTest(end.__name__):
                self.shell("rm -f /root/steps /root/end; mkfifo /root/end 2>/dev/null; true")
                command = self.home.start(
                    "vm", "exec", "box", "--", "sh", "-c", "echo begun; read x < /root/end; echo done > /root/steps")
                self.assertEqual(command.stdout.readline(), "begun\n")
                end()
                _, said = command.communicate(timeout=60)
                self.assertEqual(command.returncode, 1)
                self.assertIn("may run on, its output is lost", said)
                # The next daemon finds the same guest, with the command in it.
                self.assertEqual(self.home.vms()["box"]["boot_id"], boot_id)
                self.assertIn("read x", self.shell("ps -o args"))
                self.shell("echo go > /root/end; while ! [ -e /root/steps ]; do sleep 0.1; done; cat /root/steps")
        self.home.banger("vm", "delete", "-f", "box", check=0)

    def test_2_a_daemon_is_replaced_by_a_newer_one(self):
        place = self.home.dir / "bin"
        place.mkdir()
        for name in ("bangerd", "banger-vsock-agent"):
            shutil.copy(harness.BIN / name, place)
        daemon = subprocess.Popen([place / "bangerd"], env=self.home.env, stdin=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL)
        harness.wait_until(self.home.socket.exists, "the daemon")
        self.home.banger("vm", "run", "-d", "--name", "box", "--memory", "192M", check=0)
        before = self.home.vms()["box"]
        # As a package manager does: a new file takes the name.
        for name in ("bangerd", "banger-vsock-agent"):
            shutil.copy(harness.BIN / name, place / "new")
            os.rename(place / "new", place / name)
        daemon.terminate()
        daemon.wait(60)
        daemon = subprocess.Popen([place / "bangerd"], env=self.home.env, stdin=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL)
        harness.wait_until(self.home.socket.exists, "the new daemon")
        after = self.home.vms()["box"]
        self.assertEqual((after["pid"], after["boot_id"]), (before["pid"], before["boot_id"]))
        self.assertEqual(self.shell("cat /proc/sys/kernel/random/boot_id").strip(), before["boot_id"])
        self.home.banger("vm", "delete", "-f", "box", check=0)
        daemon.terminate()
        daemon.wait(60)

    def test_3_a_vm_that_stands_still_delays_nobody(self):
        for name in ("still", "well"):
            self.home.banger("vm", "run", "-d", "--name", name, "--memory", "192M", check=0)
        pid = self.home.vms()["still"]["pid"]
        os.kill(pid, signal.SIGSTOP)
        try:
            begun = time.monotonic()
            waits = self.home.start("vm", "health", "still")
            for _ in range(5):
                self.assertEqual(self.home.vms()["still"]["state"], "running")
                self.assertEqual(self.home.banger("vm", "exec", "well", "--", "echo", "hello", check=0).stdout, "hello\n")
            self.home.banger("vm", "stats", "still", check=0)
            # Whoever asked the guest itself waits 5 s; nobody else waited for that.
            self.assertEqual(waits.wait(60), 1)
            print(f"all of it within {time.monotonic() - begun:.1f} s")
        finally:
            os.kill(pid, signal.SIGCONT)
        self.home.banger("vm", "delete", "-f", "still", "well", "still", check=0)

    def test_4_several_at_once_and_bad_names_among_them(self):
        for name in ("one", "two"):
            self.home.banger("vm", "create", "--no-start", "--name", name, "--memory", "192M", check=0)
        begin = self.home.vms()["two"]["id"][:6]
        done = self.home.banger("vm", "start", "two", "nobody", "one", begin)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stdout, "started two\nstarted one\n")
        self.assert_one_sentence(done, "no vm named 'nobody'")
        rows = self.home.json("vm", "restart", "one")
        self.assertEqual([(row["vm"], row["result"]) for row in rows], [("one", "restarted")])
        self.home.banger("vm", "rename", "one", "uno", check=0)
        self.assertEqual(self.home.banger("vm", "rename", "uno", "two").returncode, 1)
        self.home.banger("vm", "kill", "--signal", "TERM", "uno", check=0)
        self.assertEqual(self.home.vms()["uno"]["end_reason"], "killed by signal 15 as asked for")
        self.home.banger("vm", "set", "uno", "--memory", "256M", "--disk-size", "9G", check=0)
        self.assertEqual(self.home.vms()["uno"]["memory_mib"], 256)
        self.assertEqual(self.home.banger("vm", "set", "uno").returncode, 2)
        self.assertEqual(self.home.banger("vm", "set", "uno", "--memory", "1M").returncode, 1)
        self.assertIn("verdict: ready", self.home.banger("vm", "logs", "--boot", "two", check=0).stdout)
        self.assertIn("two", self.home.banger("vm", "stats", check=0).stdout)
        self.assertTrue(self.home.json("vm", "health", "two")[0]["healthy"])
        self.assertEqual(self.home.banger("vm", "prune").returncode, 1)
        self.assertEqual(self.home.banger("vm", "prune", "-f", check=0).stdout, "deleted uno\n")
        self.home.banger("vm", "delete", "-f", "two", check=0)

    def test_5_a_boot_that_never_answers_is_kept_for_a_look(self):
        done = self.home.banger("vm", "run", "--rm", "--name", "mute", "--boot-timeout", "1", "--memory", "192M", "--", "true")
        self.assertEqual(done.returncode, 1)
        self.assertIn("no answer from the guest's agent within 1 s", done.stderr)
        self.assertIn("vm 'mute' is kept for a look", done.stderr)
        self.assertEqual(self.home.vms()["mute"]["state"], "error")
        self.home.banger("vm", "delete", "mute", check=0)


if __name__ == "__main__":
    harness.main()
