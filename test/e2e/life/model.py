"""What a VM may be by what was asked of it, answered or not."""

import dataclasses

ABSENT = "absent"
IDLE = {"created", "stopped", "error"}
UP = {"running", "paused"}


@dataclasses.dataclass
class Vm:
    """One name that one client alone uses. `may` are the states it may be in; what is not known for
    sure is wider until somebody has looked."""

    name: str
    may: set = dataclasses.field(default_factory=lambda: {ABSENT})
    id: str = ""
    boot_id: str = ""  # of the life that nothing was done to end
    tokens: list = dataclasses.field(default_factory=list)  # written and synced, acknowledged
    disk_size: int = 0

    @property
    def state(self):
        return next(iter(self.may)) if len(self.may) == 1 else None

    def answered(self, state, info=None):
        self.may = {state}
        if state == ABSENT:
            self.id, self.boot_id, self.tokens, self.disk_size = "", "", [], 0
        if info:
            self.id = info["id"]
            self.disk_size = max(self.disk_size, info["disk_size"])
            self.boot_id = info.get("boot_id", "") if state in UP else ""

    def unanswered(self, states, ends_life):
        self.may |= set(states)
        if ends_life:
            self.boot_id = ""

    def look(self, info):
        """Compares with what the daemon says; a sentence about what cannot be, or nothing."""
        state = info["state"] if info else ABSENT
        if state not in self.may:
            return f"vm {self.name} is {state}, but may only be {sorted(self.may)}"
        if info and self.id and info["id"] != self.id:
            return f"vm {self.name} is {info['id']}, and was {self.id}"
        if state in UP and self.boot_id and info["boot_id"] != self.boot_id:
            return f"vm {self.name} has booted again, though nobody asked for it"
        if info and info["disk_size"] < self.disk_size:
            return f"the disk of vm {self.name} has {info['disk_size']} bytes, and had {self.disk_size}"
        self.answered(state, info)
        return None
