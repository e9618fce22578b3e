#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "daemon/config.hpp"
#include "daemon/vm/vm_record.hpp"

namespace banger::vm {

/// What a VMM may take of its host, in cgroup v2's words.
struct VmmLimits {
    std::uint64_t memory_bytes = 0;
    std::uint32_t pids = 0;
    std::uint32_t cpus = 0;
    std::string io;  ///< a line of io.max; empty: no limit
};

/// The guest's memory and what its VMM needs itself; a thread for each processor and those of its
/// disks; a processor more than the guest has; or what the configuration says. `disk` is that of
/// the VM's files (disk_device.hpp), if any.
VmmLimits limits_of(const VmRecord& record, const LimitsConfig& config,
                    const std::optional<std::string>& disk);

/// Whether traffic with the disk is to be limited.
bool limits_io(const LimitsConfig& config);

/// The cgroups (v2) of one daemon's VMMs: one each, named by the VM's id, below a directory of the
/// daemon's own. All of it blocks for no longer than a few writes below /sys.
class VmmCgroups {
  public:
    /// Below the root as root; below the daemon's own group where systemd has delegated that to it
    /// (Delegate=yes), the daemon then moving to a group of its own there, for one that holds
    /// processes cannot have limits below it; or systemd has started it in one. `owner` tells
    /// daemons apart: the state's directory. `io`: traffic with disks is to be limited, which few
    /// hosts let a user do.
    static VmmCgroups find_blocking(const std::string& owner, bool io = false);
    /// Those of a directory, and what can be limited there: "memory", "pids", "cpu", "io".
    VmmCgroups(std::string directory, std::set<std::string> controllers)
        : directory_(std::move(directory)), controllers_(std::move(controllers)) {}

    /// Why there are none, or which limits this host cannot set; empty when all is well.
    const std::string& lack() const { return lack_; }
    bool available() const { return !directory_.empty(); }

    /// Moves a VMM that has just started into its group. Best effort: a VM without limits is better
    /// than none. False, with a warning in the log, when it could not be.
    bool place_blocking(const std::string& id, int pid, const VmmLimits& limits) const;
    /// Does nothing when there is none. Its VMM has ended.
    void remove_blocking(const std::string& id) const;
    /// Removes the groups of VMs that are none of `ids`; one with a process in it stays.
    void sweep_blocking(const std::set<std::string>& ids) const;
    std::string path_of(const std::string& id) const { return directory_ + "/" + id; }

  private:
    VmmCgroups() = default;

    std::string directory_;
    std::string lack_;
    std::set<std::string> controllers_;
};

/// A VMM needs tens of descriptors, whatever its daemon may have.
void limit_descriptors(int pid);

}  // namespace banger::vm
