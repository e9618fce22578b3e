#!/usr/bin/env python3
"""Random commands on real guests from four clients, while bangerd is killed and started again.

A round: every client gives one command, all at once; in most rounds the daemon gets SIGKILL at a random
moment and is started again. Then nothing may be amiss: what the store calls running has exactly one VMM and
answers with its boot id, nothing is on the host that the store does not explain, and nothing that was
acknowledged is lost. The same seed gives the same commands and the same moments.

usage: kill_loop.py [--rounds N] [--seed N] [--verbose]
"""

import argparse
import concurrent.futures
import os
import pathlib
import random
import signal
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import harness  # noqa: E402
import host  # noqa: E402
from api import Api, Gone, Refused  # noqa: E402
from model import ABSENT, IDLE, UP, Vm  # noqa: E402
from scene import SMALL, scene  # noqa: E402

CLIENTS = 4
SHARED = "shared"  # everybody's, so that commands meet
GROWN = 64 << 20
# A port at the VM's own address, so that none meets another's.
OWN = {**SMALL, "publish": [{"address": "", "host": 7000, "guest": 7000}]}


class Client:
    """Gives one command a round, to a VM of its own or to the one of all."""

    def __init__(self, number, seed, socket, say):
        self.random = random.Random(f"{seed}-{number}")
        self.vm = Vm(f"own-{number}")
        self.api = Api(socket)
        self.say = say
        self.count = 0

    def act(self):
        """One command; what was not foreseen is raised."""
        if self.random.random() < 0.2:
            return self.meddle()
        command = self.choose()
        try:
            getattr(self, command)()
            self.say(f"{self.vm.name}: {command}: {sorted(self.vm.may)}")
        except Gone as error:
            self.say(f"{self.vm.name}: {command}: not known ({error})")
        except Refused as error:
            self.say(f"{self.vm.name}: {command}: {error}")
            # On a busy host a guest may need longer to come back to a new daemon than a command waits.
            # Its port is nobody else's, and its own last life has let go of it.
            if "in use already" in str(error) or (error.code != "conflict" and "agent" not in str(error)):
                raise AssertionError(f"{command} of {self.vm.name} in {self.vm.may}: {error}") from error
        return None

    def choose(self):
        state = self.vm.state
        if state == ABSENT:
            return self.random.choices(["create", "prepare", "vanish"], [6, 2, 1])[0]
        if state in IDLE:
            return self.random.choices(["start", "restart", "delete", "change", "grow", "vanish"], [6, 1, 3, 1, 1, 1])[0]
        if state == "paused":
            return self.random.choices(["resume", "stop", "kill", "delete"], [4, 2, 1, 1])[0]
        return self.random.choices(
            ["write", "stop", "kill", "restart", "pause", "delete", "grow", "again", "murder", "vanish"],
            [6, 3, 1, 1, 2, 3, 1, 1, 1, 1])[0]

    def operate(self, method, rest, body, becomes, may_become, ends_life=True):
        """`becomes` when it is acknowledged; any of `may_become` as well while nobody knows."""
        before = set(self.vm.may)
        self.vm.unanswered(may_become, ends_life)
        try:
            info = self.api.operate(method, "/v1/vms" + rest, body)
        except Refused:
            self.vm.may = before
            raise
        self.vm.answered(becomes or info["state"], info)

    @property
    def path(self):
        return "/" + self.vm.name

    def create(self):
        self.operate("POST", "", {"name": self.vm.name, **OWN}, "running", {ABSENT, "running"})

    def prepare(self):
        self.operate("POST", "", {"name": self.vm.name, "start": False, **OWN}, "created", {ABSENT, "created"})

    def start(self):
        self.operate("POST", self.path + "/start", {}, "running", {"running", "stopped"})

    def restart(self):
        self.operate("POST", self.path + "/restart", {}, "running", {"running", "stopped"})

    def stop(self):
        self.operate("POST", self.path + "/stop", {"seconds": 60}, "stopped", {"stopped"})

    def kill(self):
        name = self.random.choice(["KILL", "TERM"])
        self.operate("POST", self.path + "/kill", {"signal": name}, "stopped", {"stopped"})

    def pause(self):
        self.operate("POST", self.path + "/pause", {}, "paused", {"paused"}, ends_life=False)

    def resume(self):
        self.operate("POST", self.path + "/resume", {}, "running", {"running"}, ends_life=False)

    def delete(self):
        self.operate("DELETE", self.path + "?force=true", None, ABSENT, {ABSENT})
        try:
            self.api.operate("DELETE", self.path)
        except Refused as error:
            assert error.code == "not_found", error

    def change(self):
        self.operate("PATCH", self.path, {"memory_mib": self.random.choice([160, 192])}, None, set())

    def grow(self):
        size = self.vm.disk_size + GROWN
        self.operate("PATCH", self.path, {"disk_size": size}, None, set(), ends_life=False)
        assert self.vm.disk_size == size, f"{self.vm.name} did not grow"

    def again(self):
        """A name that is taken."""
        try:
            self.api.operate("POST", "/v1/vms", {"name": self.vm.name, **SMALL})
        except Refused as error:
            assert error.code == "already_exists", error
            return
        raise AssertionError(f"{self.vm.name} was made twice")

    def write(self):
        self.count += 1
        token = f"{self.vm.name}-{self.count}"
        self.api.exec(self.vm.name, f"echo {token} >> /root/log && sync")
        self.vm.tokens.append(token)

    def murder(self):
        """Its VMM dies by itself."""
        info = self.api.request("GET", "/v1/vms" + self.path)
        self.vm.unanswered({"error", "stopped"}, ends_life=True)
        self.vm.may -= UP
        os.kill(info["pid"], signal.SIGKILL)

    def vanish(self):
        """A client that is gone before it gets an answer; the operation lives on."""
        state = self.vm.state
        if state == ABSENT:
            self.vm.unanswered({"created"}, ends_life=True)
            self.api.send_and_leave("POST", "/v1/vms", {"name": self.vm.name, "start": False, **OWN})
        else:
            self.vm.unanswered({"stopped"} if state in UP else {"running", "stopped"}, ends_life=True)
            self.api.send_and_leave("POST", f"/v1/vms{self.path}/{'stop' if state in UP else 'start'}", {})

    def meddle(self):
        """Anything, with the VM that all clients share: it only may not break."""
        method, rest, body = self.random.choice([
            ("POST", "", {"name": SHARED, **SMALL}), ("POST", "", {"name": SHARED, "start": False, **SMALL}),
            ("DELETE", f"/{SHARED}?force=true", None), ("DELETE", f"/{SHARED}", None),
            ("POST", f"/{SHARED}/start", {}), ("POST", f"/{SHARED}/stop", {"seconds": 60}),
            ("POST", f"/{SHARED}/kill", {}), ("POST", f"/{SHARED}/pause", {}), ("POST", f"/{SHARED}/resume", {}),
            ("PATCH", f"/{SHARED}", {"vcpu": 1})])
        try:
            self.api.operate(method, "/v1/vms" + rest, body)
            self.say(f"{SHARED}: {method} {rest}")
        except Gone as error:
            self.say(f"{SHARED}: {method} {rest}: not known ({error})")
        except Refused as error:
            self.say(f"{SHARED}: {method} {rest}: {error}")
            assert error.code in ("not_found", "conflict", "already_exists"), error


class Loop:
    def __init__(self, home, daemon, seed, verbose):
        self.home, self.daemon, self.verbose = home, daemon, verbose
        self.random = random.Random(seed)
        self.api = Api(home.socket)
        self.history, self.lock = [], threading.Lock()
        self.clients = [Client(number, seed, home.socket, self.say) for number in range(CLIENTS)]
        self.ids = set()
        self.kills = 0

    def say(self, line):
        with self.lock:
            self.history.append(line)
            if self.verbose:
                print("  " + line, flush=True)

    def round(self):
        self.history.clear()
        kill_after = self.random.uniform(0, 2.5) if self.random.random() < 0.6 else None
        with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
            acts = [pool.submit(client.act) for client in self.clients]
            if kill_after is not None:
                concurrent.futures.wait(acts, timeout=kill_after)
                self.say("the daemon is killed")
                self.daemon.kill()
                self.daemon.start()
                self.kills += 1
        for act in acts:
            act.result()
        self.check()

    def settled(self):
        """The VMs once none is on its way and no operation is under way."""
        deadline = time.monotonic() + 180
        while True:
            busy = [one["kind"] for one in self.api.request("GET", "/v1/operations") if one["state"] == "running"]
            vms = self.api.vms()
            busy += [vm["name"] for vm in vms if vm["state"] in ("starting", "stopping", "deleting")]
            # The end of a VMM that died is noted a moment later.
            busy += [vm["name"] for vm in vms if vm.get("pid") and harness.has_ended(vm["pid"])]
            if not busy:
                return vms
            assert time.monotonic() < deadline, f"on their way for ever: {busy}"
            time.sleep(0.02)

    def check(self):
        vms = self.settled()
        self.ids |= {vm["id"] for vm in vms}
        by_name = {vm["name"]: vm for vm in vms}
        amiss = [client.vm.look(by_name.get(client.vm.name)) for client in self.clients]
        amiss += host.breaches(self.home, vms, self.ids)
        amiss += self.guests(vms)
        amiss += self.descriptors(vms)
        names = {client.vm.name for client in self.clients} | {SHARED}
        amiss += [f"vm {name} is nobody's" for name in by_name.keys() - names]
        amiss = [sentence for sentence in amiss if sentence]
        if amiss:
            raise AssertionError("\n".join(["the round was:", *self.history, "amiss is:", *amiss]))

    def guests(self, vms):
        for vm in vms:
            if vm["state"] != "running":
                continue
            said = self.ask(vm["id"], "cat /proc/sys/kernel/random/boot_id; cat /root/log 2>/dev/null; true")
            boot_id, *tokens = said.split()
            if boot_id != vm["boot_id"]:
                yield f"vm {vm['name']} answers with boot id {boot_id}, its record says {vm['boot_id']}"
            for client in self.clients:
                lost = set(client.vm.tokens) - set(tokens) if client.vm.name == vm["name"] else set()
                if lost:
                    yield f"vm {vm['name']} has lost {sorted(lost)}"

    def ask(self, vm, script):
        deadline = time.monotonic() + 120
        while True:
            try:
                return self.api.exec(vm, script)
            except Refused as error:
                if "agent" not in str(error) or time.monotonic() > deadline:
                    raise AssertionError(f"vm {vm} does not answer: {error}") from error

    def descriptors(self, vms):
        """A daemon has some descriptors, and at most eight for each VM that is up."""
        count = host.descriptors(self.daemon.process.pid)
        allowed = 40 + 8 * sum(host.is_up(vm) for vm in vms)
        if count > allowed:
            yield f"the daemon has {count} descriptors open, {allowed} are explained"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seed", type=int, default=int(os.environ.get("BANGER_SEED", "5")))
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    begun = time.monotonic()
    with scene() as stage:
        loop = Loop(stage.home, stage.daemon, options.seed, options.verbose)
        for number in range(1, options.rounds + 1):
            if options.verbose:
                print(f"round {number}", flush=True)
            try:
                loop.round()
            except Exception as error:
                raise SystemExit(f"seed {options.seed}, round {number}: {error}") from error
        print(f"{options.rounds} rounds, {loop.kills} kills, {len(loop.ids)} vms seen, "
              f"{time.monotonic() - begun:.0f} s, seed {options.seed}")


if __name__ == "__main__":
    main()
