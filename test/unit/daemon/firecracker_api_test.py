"""Every request that banger sends to Firecracker is one that the official description (firecracker.yaml) has:
method, path, required and unknown members, types, values, before or after the boot."""

import json
import pathlib
import subprocess
import sys
import unittest

DUMP = sys.argv.pop(1)
SUPPORT = pathlib.Path(__file__).resolve().parents[2] / "support"
sys.path.insert(0, str(SUPPORT))

import firecracker_description  # noqa: E402 (it lies in another directory)


class Requests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.description = firecracker_description.Description(SUPPORT / "firecracker.yaml")
        cls.sessions = json.loads(subprocess.run([DUMP], check=True, stdout=subprocess.PIPE).stdout)

    def wrong(self, method, path, body):
        return self.description.check(method, path, body)[1]

    def test_every_request_is_described(self):
        self.assertGreater(len(self.sessions["newest"]), 8)
        for name, calls in self.sessions.items():
            for call in calls:
                with self.subTest(session=name, path=call["path"]):
                    method = call["method"].lower()
                    operation, wrong = self.description.check(method, call["path"], call["body"])
                    self.assertIsNone(wrong)
                    if name == "running":
                        self.assertFalse(operation.pre_boot_only)
                    else:
                        self.assertFalse(operation.post_boot_only)

    def test_the_guest_starts_last(self):
        for name in ("newest", "oldest", "bare"):
            bodies = [call["body"] for call in self.sessions[name]]
            self.assertEqual(bodies[-1], {"action_type": "InstanceStart"})
            self.assertNotIn({"action_type": "InstanceStart"}, bodies[:-1])

    def test_the_judge_refuses_what_the_description_forbids(self):
        drive = {"drive_id": "a", "is_root_device": False}
        for method, path, body in (
                ("put", "/no-such", {}),
                ("get", "/boot-source", {}),
                ("put", "/boot-source", {}),
                ("put", "/boot-source", None),
                ("put", "/boot-source", {"kernel_image_path": 5}),
                ("put", "/boot-source", {"kernel_image_path": "/k", "extra": 1}),
                ("put", "/machine-config", {"vcpu_count": 0, "mem_size_mib": 128}),
                ("put", "/machine-config", {"vcpu_count": "2", "mem_size_mib": 128}),
                ("put", "/machine-config", {"vcpu_count": True, "mem_size_mib": 128}),
                ("put", "/vsock", {"guest_cid": 2, "uds_path": "/s"}),
                ("put", "/drives/b", drive),
                ("put", "/drives/a", {**drive, "cache_type": "Sometimes"}),
                ("put", "/drives/a", {**drive, "rate_limiter": {"ops": {"size": 1}}}),
                ("put", "/actions", {"action_type": "Dance"}),
                ("patch", "/vm", {"state": "Paused", "for": "ever"})):
            with self.subTest(method=method, path=path, body=body):
                self.assertIsNotNone(self.wrong(method, path, body))
        self.assertIsNone(self.wrong("put", "/drives/a", drive))


if __name__ == "__main__":
    unittest.main()
