#!/usr/bin/env python3
"""VMs made and deleted again and again: four at a time without a failure, and many in a row without a trace in
the daemon.

usage: cycles.py [--parallel ROUNDS] [--cycles N]
"""

import argparse
import concurrent.futures
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import host  # noqa: E402
from api import Api  # noqa: E402
from scene import SMALL, scene  # noqa: E402

AT_ONCE = 4
# RSS may be this much above what it was once everything had been used.
RSS_KIB = 2048
WARM_UP = 10


def live_and_die(socket, name):
    """One VM from its making, stopped, to its end."""
    api = Api(socket)
    api.operate("POST", "/v1/vms", {"name": name, "start": False, **SMALL})
    api.operate("POST", f"/v1/vms/{name}/start", {})
    assert api.exec(name, "echo here") == "here\n"
    api.operate("DELETE", f"/v1/vms/{name}?force=true")


def parallel(stage, rounds):
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        for number in range(rounds):
            names = [f"p{number}-{one}" for one in range(AT_ONCE)]
            for done in [pool.submit(live_and_die, stage.home.socket, name) for name in names]:
                done.result()
            check(stage)


def check(stage):
    amiss = list(host.breaches(stage.home, Api(stage.home.socket).vms()))
    assert not amiss, "\n".join(amiss)


def cycles(stage, count):
    """Every other one is started: what a boot uses must come back too."""
    api, pid = Api(stage.home.socket), stage.daemon.process.pid
    before = None
    for number in range(WARM_UP + count):
        if number == WARM_UP:
            before = host.descriptors(pid), host.resident_kib(pid)
        name = f"c{number}"
        api.operate("POST", "/v1/vms", {"name": name, "start": number % 2 == 0, **SMALL})
        api.operate("DELETE", f"/v1/vms/{name}?force=true")
    check(stage)
    after = host.descriptors(pid), host.resident_kib(pid)
    print(f"{count} cycles: descriptors {before[0]} -> {after[0]}, RSS {before[1]} -> {after[1]} KiB")
    assert after[0] <= before[0], "descriptors are left open"
    assert after[1] <= before[1] + RSS_KIB, "memory is lost"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parallel", type=int, default=3)
    parser.add_argument("--cycles", type=int, default=20)
    options = parser.parse_args()
    with scene() as stage:
        parallel(stage, options.parallel)
        print(f"{options.parallel} rounds of {AT_ONCE} at once: none failed")
        cycles(stage, options.cycles)


if __name__ == "__main__":
    main()
