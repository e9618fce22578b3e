#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "daemon/api/types.hpp"
#include "daemon/store/store.hpp"
#include "daemon/vm/vm_state.hpp"

namespace banger::vm {

/// Rises when an older banger would misread a record.
inline constexpr int kVmRecordVersion = 1;

/// What the daemon remembers of a VM: the store's JSON document. Enough to finish, undo or adopt
/// whatever was going on when the daemon died.
struct VmRecord {
    int version = kVmRecordVersion;
    std::string id;
    std::string name;
    VmState state = VmState::created;
    /// Not yet acknowledged to whoever asked for it: a restart of the daemon takes it back.
    bool provisional = false;
    std::string image;     ///< name
    std::string image_id;  ///< daemon/store/usage.cpp reads this key, and `kernel`
    std::string image_digest;
    std::string rootfs;  ///< path of the image's rootfs.ext4
    std::string kernel;  ///< name
    std::uint32_t vcpu = 0;
    std::uint32_t memory_mib = 0;
    std::uint64_t disk_size = 0;
    bool grow_disk = false;  ///< its file or file system may be smaller than `disk_size` yet
    std::string disk_mode;
    std::string init;
    std::string address;  ///< of the host's loopback, this VM's own; empty when there was none left
    std::vector<api::PublishedPort> publish;
    bool publish_all = false;
    std::vector<std::string> env;  ///< the image's
    std::string working_dir;       ///< the image's
    std::string backend;
    std::string isolation;
    std::optional<int> pid;  ///< of the VMM, with its start time
    std::uint64_t start_time = 0;
    std::optional<std::string> boot_id;
    std::optional<std::string> pause_reason;  ///< of a paused one
    std::string created_at;
    std::optional<std::string> started_at;
    std::optional<std::string> stopped_at;
    std::optional<std::string> end_reason;
    std::optional<std::string> error;
    std::optional<api::BootReport> boot;
};
BOOST_DESCRIBE_STRUCT(VmRecord, (),
                      (version, id, name, state, provisional, image, image_id, image_digest, rootfs,
                       kernel, vcpu, memory_mib, disk_size, grow_disk, disk_mode, init, address,
                       publish, publish_all, env, working_dir, backend, isolation, pid, start_time,
                       boot_id, pause_reason, created_at, started_at, stopped_at, end_reason, error,
                       boot))

/// What clients see of it.
api::VmInfo to_info(const VmRecord& record);
store::Record to_store(const VmRecord& record);
/// Throws Error{invalid_argument} for a document that is no VM's, or another's than its row says,
/// Error{unsupported} for one of a newer banger.
VmRecord from_store(const store::Record& record);

}  // namespace banger::vm
