"""Starts and ends the real bangerd: socket, lock, signals, systemd's protocols, kill -9.

usage: api_daemon_test.py BANGERD
"""
import concurrent.futures
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
import unittest

BANGERD = os.path.abspath(sys.argv.pop())
LIMIT = 30


class DaemonTest(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory(prefix="banger-test-")
        self.addCleanup(self.directory.cleanup)
        self.environment = {"PATH": os.environ["PATH"], "HOME": self.path("home"), "XDG_RUNTIME_DIR": self.path("run")}
        os.mkdir(self.path("home"))
        os.mkdir(self.path("run"), 0o700)
        os.mkdir(self.path("config"))
        with open(self.path("config/config.toml"), "w") as file:
            file.write('accelerator = "tcg"\n')
        self.socket_path = self.path("run/banger/bangerd.sock")

    def path(self, name):
        return os.path.join(self.directory.name, name)

    def start(self, extra=None, **options):
        log = open(self.path("log"), "ab")
        self.addCleanup(log.close)
        daemon = subprocess.Popen([BANGERD, "--config", self.path("config/config.toml")], stderr=log, env={**self.environment, **(extra or {})}, **options)
        self.addCleanup(self.end, daemon)
        return daemon

    @staticmethod
    def end(daemon):
        if daemon.poll() is None:
            daemon.kill()
        daemon.wait()

    def log(self):
        with open(self.path("log")) as file:
            return file.read()

    def request(self, method, path, socket_path=None):
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(LIMIT)
            client.connect(socket_path or self.socket_path)
            client.sendall(f"{method} {path} HTTP/1.0\r\n\r\n".encode())
            answer = b"".join(iter(lambda: client.recv(65536), b""))
        head, _, body = answer.partition(b"\r\n\r\n")
        return int(head.split()[1]), json.loads(body)

    def wait_up(self):
        deadline = time.monotonic() + LIMIT
        while time.monotonic() < deadline:
            try:
                return self.request("GET", "/v1/daemon")[1]
            except OSError:
                time.sleep(0.02)
        self.fail("bangerd does not answer; its log: " + self.log())

    def test_a_signal_ends_it_with_status_0_and_without_a_socket(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            daemon = self.start()
            about = self.wait_up()
            self.assertEqual(about["pid"], daemon.pid)
            for private in (self.socket_path, self.path("run/banger"), about["state_dir"], about["cache_dir"]):
                self.assertEqual(stat.S_IMODE(os.stat(private).st_mode) & 0o077, 0, private)
            daemon.send_signal(number)
            self.assertEqual(daemon.wait(LIMIT), 0)
            self.assertFalse(os.path.exists(self.socket_path))

    def test_a_request_ends_it(self):
        daemon = self.start()
        self.wait_up()
        self.assertEqual(self.request("POST", "/v1/daemon/stop")[0], 202)
        self.assertEqual(daemon.wait(LIMIT), 0)

    def test_the_next_one_starts_after_kill_9_and_while_the_last_one_stops(self):
        first = self.start()
        self.wait_up()
        first.kill()
        first.wait()
        self.assertTrue(os.path.exists(self.socket_path))
        second = self.start()
        self.assertEqual(self.wait_up()["pid"], second.pid)
        third = self.start()
        time.sleep(0.2)
        second.send_signal(signal.SIGTERM)
        self.assertEqual(second.wait(LIMIT), 0)
        self.assertEqual(self.wait_up()["pid"], third.pid)

    def test_two_never_share_a_state_directory(self):
        first = self.start()
        self.wait_up()
        second = self.start({"XDG_RUNTIME_DIR": self.path("home")})
        self.assertEqual(second.wait(LIMIT), 1)
        self.assertIn(f"another bangerd (pid {first.pid}) uses", self.log())
        self.assertEqual(self.wait_up()["pid"], first.pid)

    def test_systemd_passes_the_socket_and_is_told(self):
        notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(notified.close)
        notified.settimeout(LIMIT)
        notified.bind(self.path("notify"))
        listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(listener.close)
        passed = self.path("passed.sock")
        listener.bind(passed)
        listener.listen()

        # The shell gets the pid that exec keeps.
        script = 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@" 3<&"$FROM"'
        daemon = subprocess.Popen(["bash", "-c", script, "bash", BANGERD, "--config", self.path("config/config.toml")],
                                  pass_fds=[listener.fileno()], stderr=subprocess.DEVNULL,
                                  env={**self.environment, "NOTIFY_SOCKET": self.path("notify"), "FROM": str(listener.fileno())})
        self.addCleanup(self.end, daemon)
        self.assertEqual(notified.recv(100), b"READY=1")
        self.assertEqual(self.request("GET", "/v1/daemon", passed)[1]["pid"], daemon.pid)
        self.assertFalse(os.path.exists(self.socket_path))
        daemon.terminate()
        self.assertEqual(notified.recv(100), b"STOPPING=1")
        self.assertEqual(daemon.wait(LIMIT), 0)
        self.assertTrue(os.path.exists(passed))

    def test_what_keeps_it_from_starting_is_said(self):
        with open(self.path("config/config.toml"), "w") as file:
            file.write("accelerator = 5\n")
        daemon = self.start()
        self.assertEqual(daemon.wait(LIMIT), 1)
        self.assertIn("accelerator", self.log())

    def test_hundreds_of_requests_beside_child_processes_are_answered_and_leave_nothing(self):
        daemon = self.start()
        self.wait_up()
        descriptors = f"/proc/{daemon.pid}/fd"
        self.request("GET", "/v1/doctor")
        before = len(os.listdir(descriptors))
        with concurrent.futures.ThreadPoolExecutor(50) as pool:
            # Doctor starts a process each time.
            answers = list(pool.map(lambda path: self.request("GET", path)[0], ("/v1/doctor", "/v1/vms", "/v1/version") * 70))
        self.assertEqual(answers, [200] * 210)
        deadline = time.monotonic() + 5
        while len(os.listdir(descriptors)) > before and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertEqual(len(os.listdir(descriptors)), before)


if __name__ == "__main__":
    unittest.main()
