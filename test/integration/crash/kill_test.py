"""Kills bangerd with SIGKILL at system calls all over pulls, a re-pull, a delete and a start.

usage: kill_test.py [--points N]    N: how many system calls of all scenarios together; the default is a quick look

A failure names the scenario, the point and what was found; the same point again:
    kill_test.py --only SCENARIO --at N [--changes]
"""

import argparse
import shutil
import unittest

from crash_home import BUNDLE, NAME, Cut, Daemon, World


class Scenario:
    def __init__(self, name, home, before, act, after, share, source=World.layout):
        self.name = name
        self.home = home  # the one it begins with
        self.before = before  # the images in it
        self.act = act  # what bangerd is asked; None: it is killed while it starts
        self.after = after  # the images when bangerd has answered
        self.share = share  # of the points
        self.source = source  # of the pull afterwards


A = {NAME: "a"}
B = {NAME: "b"}
C = {NAME: "c"}
SCENARIOS = (
    Scenario("pull", "started", {}, lambda world, daemon: daemon.pull(world.layout("a")), A, 0.2),
    Scenario("archive", "started", {}, lambda world, daemon: daemon.pull(world.archive("a")), A, 0.1,
             World.archive),
    Scenario("download", "started", {}, lambda world, daemon: daemon.pull(world.remote("a")), A, 0.25,
             World.remote),
    Scenario("bundle", "started", {}, lambda world, daemon: daemon.pull(BUNDLE), C, 0.1),
    Scenario("repull", "with-a", A, lambda world, daemon: daemon.pull(world.remote("b")), B, 0.15,
             World.remote),
    Scenario("delete", "with-a", A, lambda world, daemon: daemon.delete(), {}, 0.1),
    Scenario("first start", "empty", {}, None, {}, 0.05),
    Scenario("start after a cut", "cut", A, None, A, 0.05),
)
FEW = 20
ARGUMENTS = None


def spread(total, points):
    """`points` numbers from 1 to `total`, both among them; all when they are few."""
    points = min(max(points, FEW if total <= FEW else 0), total)
    if points <= 1:
        return [total] * points
    return sorted({1 + i * (total - 1) // (points - 1) for i in range(points)})


class KillTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.world = World()
        cls.addClassCleanup(cls.world.close)
        cls.world.start_registry()
        cls.world.add_bundle()
        cls.world.keep_home("empty")
        with Daemon(cls.world) as daemon:
            daemon.stop()
        cls.world.keep_home("started")
        with Daemon(cls.world) as daemon:
            daemon.pull(cls.world.remote("a"))
            daemon.stop()
        cls.world.keep_home("with-a")
        cls.leave_half_made()
        cls.world.keep_home("cut")

    @classmethod
    def leave_half_made(cls):
        contents = cls.world.state / "images"
        [whole] = contents.iterdir()
        for name in (whole.name + ".staging", "0123456789abcdef", "fedcba9876543210.deleted"):
            shutil.copytree(whole, contents / name)
        blobs = cls.world.cache / "oci/blobs/sha256"
        blob = next(blobs.iterdir())
        shutil.copy(blob, blobs / (blob.name + ".tmp-abcdef"))

    def begin(self, scenario, options):
        self.world.use_home(scenario.home)
        if not scenario.act:
            options = ["--from-start", *options]
        return Daemon(self.world, ["--below", self.world.home, *options])

    def act(self, scenario, daemon):
        if scenario.act:
            daemon.count()
            scenario.act(self.world, daemon)

    def count(self, scenario, options):
        with self.begin(scenario, options) as daemon:
            self.act(scenario, daemon)
            daemon.count()
            daemon.request("POST", "/v1/daemon/stop")
            total, status = daemon.ended()
        self.assertEqual(status, 0, self.world.log())
        self.assertEqual(self.world.half_made(), [])
        return total

    def is_answered(self, scenario, point, options):
        """Whether bangerd was ready before it came to the point where it would have been killed."""
        try:
            with self.begin(scenario, [*options, "--at", point]) as daemon:
                try:
                    self.act(scenario, daemon)
                    return True
                except Cut:
                    self.assertTrue(daemon.was_killed(), self.world.log())
        except Cut:
            pass  # while it was starting
        return False

    def run_scenario(self, scenario, options, points):
        total = self.count(scenario, options)
        answered = 0
        chosen = [ARGUMENTS.at] if ARGUMENTS.at else spread(total, points)
        for point in chosen:
            with self.subTest(scenario=scenario.name, at=point, of=total, options=options):
                allowed = [scenario.before, scenario.after]
                if self.is_answered(scenario, point, options):
                    allowed = [scenario.after]
                    answered += 1
                self.world.check_after_cut(allowed, scenario.source(self.world, "a"))
        print(f"{scenario.name} {' '.join(options)}: {total} calls, {len(chosen)} points, "
              f"{len(chosen) - answered} times killed")
        # One run may need fewer calls than another, but not so often.
        self.assertLessEqual(answered, max(1, len(chosen) // 2))

    def all_scenarios(self, options):
        for scenario in SCENARIOS:
            if ARGUMENTS.only in (None, scenario.name):
                self.run_scenario(scenario, options, max(2, round(ARGUMENTS.points * scenario.share)))

    def test_1_killed_at_any_system_call_it_leaves_an_image_whole_or_not_at_all(self):
        if ARGUMENTS.changes:
            self.skipTest("asked for changes only")
        self.all_scenarios([])

    def test_2_killed_at_a_call_that_changes_a_file_it_leaves_an_image_whole_or_not_at_all(self):
        if ARGUMENTS.at and not ARGUMENTS.changes:
            self.skipTest("asked for one system call")
        self.all_scenarios(["--changes"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--points", type=int, default=16)
    parser.add_argument("--only", choices=[scenario.name for scenario in SCENARIOS])
    parser.add_argument("--at", type=int)
    parser.add_argument("--changes", action="store_true")
    ARGUMENTS = parser.parse_args()
    unittest.main(argv=[__file__], verbosity=2)
