#pragma once

#include <string>

namespace banger {

/// Where things are, after the XDG base directory specification. All absolute.
struct Paths {
    std::string state;        ///< $XDG_STATE_HOME/banger, ~/.local/state/banger
    std::string cache;        ///< $XDG_CACHE_HOME/banger, ~/.cache/banger
    std::string config_file;  ///< $XDG_CONFIG_HOME/banger/config.toml
    std::string runtime;  ///< $XDG_RUNTIME_DIR/banger; without it /run/user/<uid>/banger when that
                          ///< is ours, else /tmp/banger-<uid>: 0700 and owned by us, or an error
    std::string images() const { return state + "/images"; }
    std::string kernels() const { return state + "/kernels"; }
    std::string vms() const { return state + "/vms"; }
    std::string database() const { return state + "/banger.db"; }
    std::string socket() const { return runtime + "/bangerd.sock"; }
    /// Sockets of a VM; short because of unix(7)'s 107 bytes.
    std::string vm_runtime(const std::string& id) const { return runtime + "/vms/" + id; }
};

/// From the environment; makes nothing.
Paths find_paths();

}  // namespace banger
