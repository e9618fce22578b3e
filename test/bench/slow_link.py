"""Two network namespaces with a link of a given rate between them: a registry in one, clients in the other."""

import contextlib
import os
import subprocess


def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True)


class Link:
    """`near` and `far` begin the command line of a process that is to run at that end."""

    def __init__(self, rate):
        names = [f"bl{os.getpid()}{end}" for end in "nf"]
        self.names = names
        self.near, self.far = (["ip", "netns", "exec", name] for name in names)
        self.far_address = "192.0.2.2"  # RFC 5737: for documentation; nothing else has it
        for name in names:
            ip("netns", "add", name)
        ip("link", "add", "veth0", "netns", names[0], "type", "veth",
           "peer", "name", "veth0", "netns", names[1])
        for name, address in zip(names, ("192.0.2.1", self.far_address)):
            ip("-n", name, "address", "add", f"{address}/24", "dev", "veth0")
            for device in ("lo", "veth0"):
                ip("-n", name, "link", "set", device, "up")
            subprocess.run(["ip", "netns", "exec", name, "tc", "qdisc", "add", "dev", "veth0", "root",
                            "tbf", "rate", rate, "burst", "1mb", "latency", "50ms"], check=True)

    def close(self):
        for name in self.names:
            ip("netns", "delete", name)


@contextlib.contextmanager
def slow_link(rate):
    link = Link(rate)
    try:
        yield link
    finally:
        link.close()
