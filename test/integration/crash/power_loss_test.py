"""Starts bangerd on what a power loss would have left, at moments all over its first start, a pull, a re-pull and
a delete.

usage: power_loss_test.py [--states N] [--pull-every N] [--seed N]
    how many of the different states are tried (0: all), and after how many of them an image is pulled too

A failure names the line of the log (kept beside the message, with what led to it) and what became of the rest;
the same state again:
    power_loss_test.py --seed N --line N --fate NAME
The log of another run may differ in a few lines, for the order of threads is not ours.
"""

import argparse
import pathlib
import shutil
import unittest

import crash_home
import power_loss
from crash_home import NAME, Daemon

# What was promised before the first mark, behind it, behind the second …
STATES = ({}, {NAME: "a"}, {NAME: "b"}, {NAME: "b"}, {})
ARGUMENTS = None


class PowerLossTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.world = crash_home.World()
        cls.addClassCleanup(cls.world.close)
        cls.world.start_registry()
        cls.disk = cls.record()

    @classmethod
    def record(cls):
        world = cls.world
        log = world.dir / "changes"
        with Daemon(world, ["--no-io-uring", "--below", world.home, "--log", log]) as daemon:
            assert daemon.writer.startswith("pwrite"), f"nobody sees the writes of {daemon.writer}"
            for act in (lambda: daemon.pull(world.remote("a")), lambda: daemon.pull(world.remote("b")),
                        lambda: cls.replace(daemon), daemon.delete):
                act()
                daemon.mark()
            daemon.request("POST", "/v1/daemon/stop")
            assert daemon.ended()[1] == 0, world.log()
        disk = power_loss.Disk(world.home, log)
        assert any(line.startswith("exchange") for line in disk.lines), "no image took another's place"
        return disk

    @classmethod
    def replace(cls, daemon):
        """Pulls what is there and has lost its file, so that the new directory takes the old one's place. Nobody saw
        the file go: in the states it is still there, as whole as before."""
        image, = daemon.request("GET", "/v1/images")[1]
        pathlib.Path(image["rootfs_path"]).unlink()
        daemon.pull(cls.world.remote("b"))

    def different_states(self):
        """(line, fate) of every state that differs from all before it in content or in what was promised."""
        seen = set()
        self.disk.reset()
        for line in range(len(self.disk.lines) + 1):
            for fate in power_loss.fates(ARGUMENTS.seed):
                key = self.disk.marks, power_loss.Picture(self.disk, fate).key()
                if key not in seen:
                    seen.add(key)
                    yield line, fate
            if line < len(self.disk.lines):
                self.disk.step()

    def chosen_states(self):
        states = list(self.different_states())
        if ARGUMENTS.line is not None:
            return [state for state in states
                    if state[0] == ARGUMENTS.line and ARGUMENTS.fate in (None, state[1].name)]
        wanted = ARGUMENTS.states or len(states)
        chosen = states[::max(1, len(states) // wanted)]
        print(f"{len(self.disk.lines)} changes, {len(states)} different states, {len(chosen)} of them tried")
        return chosen

    def test_whatever_a_power_loss_leaves_an_acknowledged_image_is_whole(self):
        chosen = self.chosen_states()
        self.assertGreater(len(chosen), 0)
        self.disk.reset()
        for number, (line, fate) in enumerate(chosen):
            while self.disk.done < line:
                self.disk.step()
            marks = self.disk.marks
            shutil.rmtree(self.world.home)
            power_loss.Picture(self.disk, fate).paint(self.world.home)
            source = self.world.remote("a") if number % ARGUMENTS.pull_every == 0 else None
            with self.subTest(line=line, fate=fate.name, before=self.disk.lines[max(0, line - 3):line]):
                self.world.check_after_cut(STATES[marks:marks + 2], source)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--states", type=int, default=120)
    parser.add_argument("--pull-every", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--line", type=int)
    parser.add_argument("--fate", choices=[fate.name for fate in power_loss.fates(0)])
    ARGUMENTS = parser.parse_args()
    unittest.main(argv=[__file__], verbosity=2)
