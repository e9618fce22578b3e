"""What VMs may have on the host, and what is there."""

import os
import pathlib

# Of a VM, in its directory of the state; others are nobody's.
FILES = {"disk.ext4", "root.ext4", "initramfs", "serial.log", "vmm.log", "network.log"}
SOCKETS = {"vsock.sock_1024", "qmp.sock", "network.life"}


def processes(home):
    """(pid, arguments) of the processes that were given something of that home, but for its daemon and
    commands. A zombie has no arguments, and is none any more."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            words = pathlib.Path(f"/proc/{entry}/cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if any(str(home.dir) in word for word in words) and "/vms/" in " ".join(words):
            found.append((int(entry), words))
    return found


def entries(directory):
    return set(os.listdir(directory)) if os.path.isdir(directory) else set()


def cgroups(ids):
    """Control groups that bear one of these names, in the versions' usual places."""
    return {str(path) for root in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified")
            for depth in ("*", "*/*", "*/*/*") for path in pathlib.Path(root).glob(depth)
            if path.is_dir() and any(vm in path.name for vm in ids)}


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def resident_kib(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise AssertionError(f"process {pid} has no memory")


def is_up(vm):
    return vm["state"] in ("running", "paused")


def breaches(home, vms, known_ids=()):
    """Sentences about what does not go with these VMs, none of which is on its way to another state."""
    ids = {vm["id"] for vm in vms}
    up = {vm["id"]: vm for vm in vms if is_up(vm)}
    owners = {}
    for pid, words in processes(home):
        owner = [vm for vm in ids if any(vm in word for word in words)]
        if not owner:
            yield f"process {pid} belongs to no vm: {' '.join(words)}"
        for vm in owner:
            # What carries the network of a VM goes with its VMM; it is not the VMM.
            if "qemu" in words[0]:
                owners.setdefault(vm, []).append(pid)
            elif vm not in up:
                yield f"vm {vm} does not run, but process {pid} does: {' '.join(words)}"
    for vm in ids:
        wanted = [up[vm]["pid"]] if vm in up else []
        if owners.get(vm, []) != wanted:
            yield f"vm {vm} has the processes {owners.get(vm, [])}, its record says {wanted}"
    yield from file_breaches(home, vms, ids, set(up))
    for group in cgroups(set(known_ids) - set(up)):
        yield f"the cgroup {group} belongs to no vm that runs"
    for path in home.half_made():
        yield f"{path} is half made"


def file_breaches(home, vms, ids, up):
    state, runtime = home.state / "vms", home.dir / "run/banger/vms"
    if entries(state) != ids:
        yield f"the directories are {entries(state)}, the vms {ids}"
    if entries(runtime) != up:
        yield f"the runtime directories are {entries(runtime)}, what runs {up}"
    for vm in vms:
        files = entries(state / vm["id"])
        if not files <= FILES or not files & {"disk.ext4", "root.ext4"}:
            yield f"vm {vm['id']} ({vm['state']}) has the files {files}"
        if vm["id"] not in up and "initramfs" in files:
            yield f"vm {vm['id']} is {vm['state']} and has an initramfs"
        sockets = entries(runtime / vm["id"])
        if vm["id"] in up and not {"vsock.sock_1024"} <= sockets <= SOCKETS:
            yield f"vm {vm['id']} is up and has the sockets {sockets}"
