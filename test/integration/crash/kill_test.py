"""Kills bangerd with SIGKILL at system calls all over a pull, a re-pull and a delete.

usage: kill_test.py [--points N]    N: how many system calls of all scenarios together; the default is a quick look

A failure names the scenario, the point and what was found; the same point again:
    kill_test.py --only SCENARIO --at N [--changes]
"""

import argparse
import unittest

import crash_home
from crash_home import NAME, Cut, Daemon


class Scenario:
    def __init__(self, name, before, after, start, act, share, remote=False):
        self.name = name
        self.before = before  # what is there
        self.after = after  # what is there when bangerd has said so
        self.start = start  # the home it begins with
        self.act = act
        self.share = share  # of the points
        self.remote = remote


SCENARIOS = (
    Scenario("pull", {}, {NAME: "a"}, "empty", lambda world, daemon: daemon.pull(world.layout("a")), 0.25),
    Scenario("download", {}, {NAME: "a"}, "empty", lambda world, daemon: daemon.pull(world.remote("a")), 0.35,
             remote=True),
    Scenario("repull", {NAME: "a"}, {NAME: "b"}, "with-a", lambda world, daemon: daemon.pull(world.remote("b")),
             0.25, remote=True),
    Scenario("delete", {NAME: "a"}, {}, "with-a", lambda world, daemon: daemon.delete(), 0.15),
)
POINTS = 14
ONLY = {}


def spread(total, points):
    """`points` numbers from 1 to `total`, both among them."""
    points = min(points, total)
    if points <= 1:
        return [total] * points
    return sorted({1 + i * (total - 1) // (points - 1) for i in range(points)})


class KillTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.world = crash_home.World()
        cls.addClassCleanup(cls.world.close)
        with Daemon(cls.world) as daemon:
            daemon.stop()
        cls.world.keep_home("empty")
        with Daemon(cls.world) as daemon:
            daemon.pull(cls.world.layout("a"))
            daemon.stop()
        cls.world.keep_home("with-a")
        if any(scenario.remote for scenario in cls.wanted()):
            cls.world.start_registry()

    def begin(self, scenario, options):
        self.world.use_home(scenario.start)
        return Daemon(self.world, ["--below", self.world.home, *options])

    def count(self, scenario, options):
        with self.begin(scenario, options) as daemon:
            daemon.count()
            scenario.act(self.world, daemon)
            daemon.count()
            daemon.request("POST", "/v1/daemon/stop")
            total, status = daemon.ended()
        self.assertEqual(status, 0, self.world.log())
        self.assertEqual(self.world.half_made(), [])
        return total

    def kill_at(self, scenario, point, options):
        """True when bangerd was killed on its way, false when it had answered before."""
        with self.begin(scenario, [*options, "--at", point]) as daemon:
            daemon.count()
            try:
                scenario.act(self.world, daemon)
                answered = True
            except Cut:
                answered = False
        # What was answered holds; before that, either is right.
        source = self.world.remote("a") if scenario.remote else self.world.layout("a")
        allowed = [scenario.after] if answered else [scenario.before, scenario.after]
        self.world.check_after_cut(allowed, source)
        return not answered

    def run_scenario(self, scenario, options, points):
        total = self.count(scenario, options)
        killed = 0
        chosen = [ONLY["at"]] if ONLY.get("at") else spread(total, points)
        for point in chosen:
            with self.subTest(scenario=scenario.name, at=point, of=total, options=options):
                killed += self.kill_at(scenario, point, options)
        print(f"{scenario.name} {' '.join(options)}: {total} calls, killed at {killed} of {len(chosen)} points")
        # A run may need fewer calls than the counted one, but not so often.
        self.assertGreater(2 * killed, len(chosen) - 1)

    @staticmethod
    def wanted():
        return [scenario for scenario in SCENARIOS if ONLY.get("scenario") in (None, scenario.name)]

    def test_1_killed_at_any_system_call_it_leaves_an_image_whole_or_not_at_all(self):
        if ONLY.get("changes"):
            self.skipTest("asked for changes only")
        self.all_scenarios([], POINTS)

    def test_2_killed_at_a_call_that_changes_a_file_it_leaves_an_image_whole_or_not_at_all(self):
        if ONLY.get("at") and not ONLY.get("changes"):
            self.skipTest("asked for one system call")
        self.all_scenarios(["--changes"], POINTS)

    def all_scenarios(self, options, points):
        for scenario in self.wanted():
            self.run_scenario(scenario, options, max(2, round(points * scenario.share)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--points", type=int, default=POINTS)
    parser.add_argument("--only", choices=[scenario.name for scenario in SCENARIOS])
    parser.add_argument("--at", type=int)
    parser.add_argument("--changes", action="store_true")
    arguments = parser.parse_args()
    POINTS = arguments.points
    ONLY = {"scenario": arguments.only, "at": arguments.at, "changes": arguments.changes}
    unittest.main(argv=[__file__], verbosity=2)
