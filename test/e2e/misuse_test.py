"""Bad input and bad luck: one clear sentence, a status that is not zero, nothing left behind, and the
same command works right after."""

import os
import pathlib
import shutil
import signal
import subprocess
import time

import harness
from harness import Case, wait_until


class Misuse(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.image = cls.registry.push(cls.made["busybox"], "test/busybox:1")
        cls.big = cls.push_big_image()

    @classmethod
    def push_big_image(cls):
        """One layer that does not compress, large enough to be caught in the middle."""
        layout = cls.home.dir / "big"
        blob = cls.home.dir / "blob"
        with open(blob, "wb") as file:
            for _ in range(192):
                file.write(os.urandom(1 << 20))
        tar = cls.home.dir / "big.tar"
        subprocess.run(["tar", "-C", cls.home.dir, "-cf", tar, "blob"], check=True)
        for command in (["umoci", "init", "--layout", layout],
                        ["umoci", "new", "--image", f"{layout}:1"],
                        ["umoci", "raw", "add-layer", "--image", f"{layout}:1", tar]):
            subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL)
        return cls.registry.push(f"oci:{layout}:1", "test/big:1")

    def setUp(self):
        self.assertEqual(self.home.vms(), {})

    def tearDown(self):
        self.assertEqual(self.home.half_made(), [])
        self.assertEqual(self.home.vms(), {})

    def works_after_all(self):
        self.home.banger("vm", "run", "--rm", "--image", self.image, "--", "true", check=0)

    def fails(self, *args, words=(), status=1):
        done = self.home.banger(*args)
        self.assert_one_sentence(done, *words)
        self.assertEqual(done.returncode, status, done.stderr)

    def test_unknown_names_come_with_the_nearest_one(self):
        # A size of its own makes it content of its own, which only this name holds.
        self.home.banger("image", "pull", "--name", "cristal", "--size", "2G", self.image, check=0)
        self.fails("image", "show", "crystal", words=("crystal", "did you mean 'cristal'"))
        self.fails("kernel", "show", "debain", words=("debain", "did you mean 'debian'"))
        self.fails("vm", "run", "--image", self.image, "--kernel-ref", "debain", "--", "true",
                   words=("debain", "did you mean 'debian'"))
        self.home.banger("vm", "create", "--no-start", "--image", "cristal", "--name", "crate", check=0)
        self.fails("vm", "show", "crat", words=("crat", "did you mean 'crate'"))
        self.fails("vm", "create", "--no-start", "--image", "cristal", "--name", "crate",
                   words=("crate", "already"))
        self.fails("image", "delete", "cristal", words=("crate",))
        self.home.banger("vm", "delete", "crate", check=0)
        self.home.banger("image", "delete", "cristal", check=0)

    def test_registry_trouble_is_named(self):
        host = self.registry.host
        self.fails("image", "pull", f"{host}/test/busybox:nope", words=("nope",))
        self.fails("image", "pull", f"{host}/test/nope:1", words=("test/nope",))
        self.fails("image", "pull", "UPPER case", words=("UPPER case",))
        port = harness.free_port()
        self.fails("image", "pull", f"127.0.0.1:{port}/x:1", words=(f"127.0.0.1:{port}",))
        self.fails("image", "pull", f"oci:{self.home.dir}/none:1", words=("none",))
        self.works_after_all()

    def test_a_blob_that_lies_is_refused(self):
        lying = self.registry.push(self.made["busybox"], "test/lying:1")
        blobs = sorted(self.registry.storage.rglob("blobs/sha256/*/*/data"),
                       key=lambda path: path.stat().st_size)
        layer = next(path for path in reversed(blobs) if path.stat().st_size < 100 << 20)
        original = layer.read_bytes()
        try:
            layer.write_bytes(original[:-100] + bytes(100))
            self.fails("image", "pull", lying, words=("sha256",))
        finally:
            layer.write_bytes(original)
        self.home.banger("image", "pull", lying, check=0)
        self.works_after_all()

    def test_what_is_no_kernel_is_refused(self):
        directory = self.home.dir / "no-kernel"
        directory.mkdir(exist_ok=True)
        self.fails("kernel", "import", "k", "--from", directory, words=("vmlinux",))
        (directory / "vmlinux").write_text("#!/bin/sh\n")
        self.fails("kernel", "import", "k", "--from", directory, words=("vmlinux",))
        self.fails("kernel", "import", "k", "--from", directory / "absent", words=("absent",))
        self.fails("kernel", "import", "k", "--from-deb", directory / "vmlinux", words=("vmlinux",))

    def test_usage_errors_have_their_own_status(self):
        for args in (("vm", "run", "--no-such-flag"), ("image", "pull"), ("frobnicate",),
                     ("vm", "run", "--memory", "lots", "--", "true")):
            with self.subTest(args=args):
                self.assertEqual(self.home.banger(*args).returncode, 2)
        self.fails("vm", "run", "--image", self.image, "--name", "Not_A_Label", "--", "true",
                   words=("Not_A_Label",))
        self.fails("vm", "run", "--image", self.image, "--vcpu", "0", "--", "true", words=("vcpu",),
                   status=1)

    def test_a_guest_that_never_answers_is_given_up_with_a_verdict(self):
        # An initramfs is all a kernel needs to reach our init; a root disk that is none stops it there.
        rootless = self.home.json("image", "pull", "--name", "rootless", self.image)
        path = pathlib.Path(rootless["rootfs_path"])
        original = path.read_bytes()
        try:
            path.write_bytes(bytes(len(original)))
            done = self.home.banger("vm", "run", "--rm", "--image", "rootless", "--", "true")
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertIn("/dev/vda", done.stderr)
        finally:
            path.write_bytes(original)
        for name in self.home.vms():
            self.home.banger("vm", "delete", "--force", name, check=0)
        self.home.banger("image", "delete", "rootless", check=0)

        impatient = self.home.banger("vm", "run", "--boot-timeout", "1", "--image", self.image,
                                     "--name", "late", "--memory", "128M", "--", "true")
        if impatient.returncode != 0:  # one second is short under TCG, but not impossible
            self.assertIn("1 s", impatient.stderr)
        for name in self.home.vms():
            self.home.banger("vm", "delete", "--force", name, check=0)

    def test_interrupting_a_pull_leaves_nothing(self):
        pull = self.home.start("image", "pull", self.big)
        wait_until(self.home.half_made, "the pull's staging directory")
        with self.registry.paused():
            pull.send_signal(signal.SIGINT)
            _, said = pull.communicate(timeout=30)
        self.assertEqual(pull.returncode, 130, said)
        wait_until(lambda: not self.home.half_made(), "the end of the staging directory", seconds=3)
        self.assertEqual([i["name"] for i in self.home.json("image", "list") if "big" in i["name"]],
                         [])
        self.home.banger("image", "pull", self.big, check=0)
        self.home.banger("image", "delete", "big-1", check=0)

    def test_interrupting_a_boot_leaves_nothing(self):
        self.home.banger("image", "pull", self.image, check=0)
        run = self.home.start("vm", "run", "--image", self.image, "--name", "gone", "--", "true")
        wait_until(lambda: any("qemu" in command for _, command in
                               harness.processes_with(str(self.home.dir))), "the VMM")
        run.send_signal(signal.SIGINT)
        _, said = run.communicate(timeout=60)
        self.assertEqual(run.returncode, 130, said)
        wait_until(lambda: not self.home.vms(), "the end of the VM")
        self.assertFalse([command for _, command in harness.processes_with(str(self.home.dir))
                          if "qemu" in command])
        self.home.banger("vm", "run", "--rm", "--image", self.image, "--name", "gone", "--", "true",
                         check=0)

    def test_interrupting_a_command_reaches_the_guest(self):
        run = self.home.start("vm", "run", "--rm", "--image", self.image, "--", "sh", "-c",
                              "trap 'echo caught; exit 9' INT; echo ready; sleep 60 & wait")
        self.assertEqual(run.stdout.readline(), "ready\n")
        run.send_signal(signal.SIGINT)
        out, said = run.communicate(timeout=60)
        self.assertEqual(out, "caught\n", said)
        self.assertEqual(run.returncode, 9, said)

    def test_killing_the_daemon_during_a_pull_leaves_nothing(self):
        pull = self.home.start("image", "pull", self.big)
        wait_until(self.home.half_made, "the pull's staging directory")
        with self.registry.paused():
            self.home.kill_daemon()
            _, said = pull.communicate(timeout=30)
        self.assertNotEqual(pull.returncode, 0, said)
        self.home.json("image", "list")  # starts a daemon, which sweeps
        self.assertEqual(self.home.half_made(), [])
        self.home.banger("image", "pull", self.big, check=0)
        self.home.banger("image", "delete", "big-1", check=0)

    def test_a_full_disk_is_named_and_given_back(self):
        home = harness.Home()
        disk = home.state
        disk.mkdir(parents=True)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", disk], check=False,
                          stderr=subprocess.DEVNULL).returncode != 0:
            home.destroy()
            self.skipTest("only root may mount a small file system")
        try:
            free = lambda: os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
            home.json("image", "list")  # the daemon's own files are there from now on
            before = free()
            done = home.banger("image", "pull", self.big)
            self.assert_one_sentence(done, "space")
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertEqual(home.half_made(), [])
            self.assertLess(before - free(), 1 << 20)
            home.banger("image", "pull", self.image, check=0)
        finally:
            left, sockets = home.destroy()
            subprocess.run(["umount", disk], check=True)
            shutil.rmtree(home.dir)
        self.assertEqual((left, sockets), ([], []))

    def test_a_vanished_reader_ends_the_command_quietly(self):
        run = self.home.start("vm", "run", "--rm", "--image", self.image, "--", "yes")
        self.assertEqual(run.stdout.readline(), "y\n")
        run.stdout.close()
        run.wait(60)
        run.stderr.close()
        wait_until(lambda: not self.home.vms(), "the end of the VM")


if __name__ == "__main__":
    harness.main()
