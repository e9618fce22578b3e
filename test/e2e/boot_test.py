"""The main job: both images boot, commands run in them, and their exit status is ours."""

import fcntl
import hashlib
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time

import harness
from harness import Case


class Boot(Case):
    images = ("busybox", "debian-systemd", "kernel")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.registry.push(cls.made["busybox"], "test/busybox:1")
        cls.registry.push(cls.made["debian-systemd"], "test/debian:zstd",
                          "--dest-compress-format", "zstd")
        cls.busybox = f"{cls.registry.host}/test/busybox:1"
        cls.debian = f"{cls.registry.host}/test/debian:zstd"
        for name, source in (("busybox", cls.busybox), ("debian", cls.debian)):
            cls.home.banger("image", "pull", "--name", name, source, check=0)

    def run_vm(self, image, *command, **options):
        return self.home.banger("vm", "run", "--rm", "--image", image, "--", *command, **options)

    def test_exit_status_is_that_of_the_command(self):
        for image in ("busybox", "debian"):
            with self.subTest(image=image):
                before = self.sha256_of(image)
                name = f"status-{image}"
                self.home.banger("vm", "run", "--image", image, "--name", name, "--", "true", check=0)
                run = lambda *command: self.home.banger("vm", "exec", name, "--", *command)
                self.assertEqual(run("true").returncode, 0)
                self.assertEqual(run("sh", "-c", "exit 42").returncode, 42)
                missing = run("no-such-command")
                self.assertEqual(missing.returncode, 127)
                self.assertIn("no-such-command", missing.stderr)
                self.assertEqual(run("sh", "-c", "kill -TERM $$").returncode, 128 + signal.SIGTERM)
                self.home.banger("vm", "delete", "--force", name, check=0)
                self.assertEqual(self.sha256_of(image), before)

    def sha256_of(self, image):
        path = self.home.json("image", "show", image)["rootfs_path"]
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def test_rm_leaves_no_vm_whatever_the_status(self):
        done = self.run_vm("busybox", "sh", "-c", "echo out; echo err >&2; exit 42")
        self.assertEqual(done.returncode, 42, done.stderr)
        self.assertEqual(done.stdout, "out\n")
        self.assertIn("err\n", done.stderr)
        self.assertIn("spec:", done.stderr)
        self.assertIn("agent", done.stderr)
        self.assertEqual(self.home.vms(), {})

    def test_a_hundred_megabytes_go_through_unchanged(self):
        payload = os.urandom(1 << 20) * 100
        self.home.banger("vm", "run", "--image", "busybox", "--name", "pipe", "--", "true", check=0)
        done = self.home.banger("vm", "exec", "pipe", "--", "cat", input=payload, text=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(hashlib.sha256(done.stdout).digest(), hashlib.sha256(payload).digest())
        self.home.banger("vm", "delete", "--force", "pipe", check=0)

    def test_a_terminal_has_its_size_and_follows_a_resize(self):
        self.home.banger("vm", "run", "--image", "busybox", "--name", "tty", "--", "true", check=0)
        terminal = Terminal(self.home, "vm", "exec", "-t", "tty", "--", "sh")
        terminal.resize(40, 100)
        terminal.type("stty size; echo mark-$((1+1))\n")
        self.assertIn("40 100", terminal.read_until("mark-2"))
        terminal.resize(24, 80)
        terminal.type("sleep 1; stty size; echo mark-$((1+2))\n")
        self.assertIn("24 80", terminal.read_until("mark-3"))
        terminal.type("exit 7\n")
        self.assertEqual(terminal.wait(), 7)
        self.home.banger("vm", "delete", "--force", "tty", check=0)

    def test_an_interactive_run_leaves_the_vm_running_and_says_so(self):
        terminal = Terminal(self.home, "vm", "run", "--image", "busybox", "--name", "shell")
        terminal.type("echo mark-$((2+2))\n")
        terminal.read_until("mark-4", seconds=harness.BOOT_SECONDS)
        terminal.type("exit\n")
        self.assertEqual(terminal.wait(), 0)
        said = terminal.read_rest()
        self.assertIn("running", said)
        self.assertIn("banger vm delete", said)
        self.assertEqual(self.home.vms()["shell"]["state"], "running")
        self.home.banger("vm", "delete", "--force", "shell", check=0)

    def test_two_vms_at_once(self):
        runs = [self.home.start("vm", "run", "--rm", "--image", "busybox", "--name", name, "--",
                                "sh", "-c", f"echo {name}; hostname") for name in ("one", "two")]
        outputs = [run.communicate(timeout=300) for run in runs]
        self.assertEqual([run.returncode for run in runs], [0, 0], outputs)
        self.assertEqual([out for out, _ in outputs], ["one\none\n", "two\ntwo\n"])

    def test_stop_and_start_keep_what_was_written(self):
        for image in ("busybox", "debian"):
            with self.subTest(image=image):
                name = f"keep-{image}"
                self.home.banger("vm", "run", "--image", image, "--name", name, "--", "sh", "-c",
                                 "echo r > /root/kept; echo e > /etc/kept", check=0)
                first = self.home.vms()[name]["boot_id"]
                self.home.banger("vm", "stop", name, check=0)
                self.assertEqual(self.home.vms()[name]["state"], "stopped")
                self.home.banger("vm", "start", name, check=0)
                self.assertNotEqual(self.home.vms()[name]["boot_id"], first)
                kept = self.home.banger("vm", "exec", name, "--", "cat", "/root/kept", "/etc/kept")
                self.assertEqual(kept.stdout, "r\ne\n", kept.stderr)
                self.home.banger("vm", "delete", "--force", name, check=0)

    def test_systemd_comes_up_behind_the_agent(self):
        self.home.banger("vm", "run", "--image", "debian", "--name", "system", "--wait", "system",
                         "--", "true", check=0)
        state = self.home.banger("vm", "exec", "system", "--", "systemctl", "is-system-running")
        self.assertEqual(state.stdout, "running\n", state.stderr)
        pid1 = self.home.banger("vm", "exec", "system", "--", "cat", "/proc/1/comm")
        self.assertEqual(pid1.stdout, "systemd\n")
        self.home.banger("vm", "delete", "--force", "system", check=0)

    def test_the_guest_has_a_network_and_a_clock_that_runs_right(self):
        self.home.banger("vm", "run", "--image", "busybox", "--name", "net", "--", "true", check=0)
        run = lambda *command: self.home.banger("vm", "exec", "net", "--", *command, check=0).stdout
        self.assertIn("inet 10.0.2.15/24", run("ip", "addr", "show", "eth0"))
        self.assertIn("default via 10.0.2.2", run("ip", "route"))
        self.assertIn("nameserver", run("cat", "/etc/resolv.conf"))
        self.assertLess(abs(int(run("date", "+%s")) - time.time()), 5)
        measured = run("sh", "-c", "a=$(cut -d. -f1 /proc/uptime); sleep 5; "
                                   "b=$(cut -d. -f1 /proc/uptime); echo $((b - a))")
        self.assertIn(int(measured), (4, 5, 6))
        self.home.banger("vm", "delete", "--force", "net", check=0)

    def test_a_vm_survives_its_daemon(self):
        self.home.banger("vm", "run", "--image", "busybox", "--name", "stay", "--", "true", check=0)
        boot_id = self.home.vms()["stay"]["boot_id"]
        self.home.kill_daemon()
        again = self.home.banger("vm", "exec", "stay", "--", "echo", "still here")
        self.assertEqual(again.stdout, "still here\n", again.stderr)
        self.assertEqual(self.home.vms()["stay"]["boot_id"], boot_id)
        self.home.banger("vm", "delete", "--force", "stay", check=0)


class Terminal:
    """banger on a pseudo terminal, as a person has it."""

    def __init__(self, home, *args):
        self.master, slave = pty.openpty()
        self.resize_slave(slave, 30, 90)
        self.process = subprocess.Popen(home.argv(*args), env=home.env, stdin=slave, stdout=slave,
                                        stderr=slave, start_new_session=True,
                                        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(slave)
        self.seen = ""

    @staticmethod
    def resize_slave(fd, rows, columns):
        fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def resize(self, rows, columns):
        self.resize_slave(self.master, rows, columns)

    def type(self, text):
        os.write(self.master, text.encode())

    def read_until(self, text, seconds=60):
        deadline = time.monotonic() + seconds
        while text not in self.seen:
            left = deadline - time.monotonic()
            if left <= 0 or not self.read_some(left):
                raise AssertionError(f"{text!r} did not come; the terminal shows:\n{self.seen}")
        before, _, self.seen = self.seen.partition(text)
        return before

    def read_some(self, seconds):
        if not select.select([self.master], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self.master, 65536)
        except OSError:  # EIO: the other side is closed
            return False
        self.seen += data.decode(errors="replace")
        return bool(data)

    def read_rest(self):
        while self.read_some(1):
            pass
        os.close(self.master)
        return self.seen

    def wait(self):
        deadline = time.monotonic() + 60
        while self.process.poll() is None and time.monotonic() < deadline:
            self.read_some(0.1)
        return self.process.wait(1)


if __name__ == "__main__":
    harness.main()
