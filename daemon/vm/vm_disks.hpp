#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "daemon/vm/backend.hpp"
#include "daemon/vm/vm_record.hpp"

namespace banger::vm {

/// The disks of a VM, in the guest's order. Overlay: the image's file system, shared and read-only,
/// then the VM's own. Copy: the VM's own copy of the image's.
std::vector<Disk> disks_of(const VmRecord& record, const std::string& directory);

/// Makes the VM's own disk below `directory`, sparse and in milliseconds; a plain copy is a reflink
/// where the host's file system has them, and takes as long as it takes where not. Disk and
/// directory are synced. Blocks. Throws Error{no_space} when the host's disk is nearly full;
/// `reserve` as below.
void make_disk_blocking(const VmRecord& record, const std::string& directory, std::stop_token stop,
                        std::uint64_t reserve = 0);

/// The place of the VM's own disk in disks_of().
std::size_t own_disk_place(const VmRecord& record);

/// Makes the file of the VM's own disk as long as its record says, if it is shorter. Blocks.
void lengthen_disk_blocking(const VmRecord& record, const std::string& directory);

/// Bytes of a file system.
struct DiskSpace {
    std::uint64_t total = 0;
    std::uint64_t free = 0;  ///< for us
};
DiskSpace disk_space_blocking(const std::string& path);

/// What stays free of a disk of that size: 5 %, at least 1 GiB, at most 10 GiB.
std::uint64_t disk_reserve_of(std::uint64_t total);

/// Throws Error{no_space} when fewer than `reserve` bytes (0: disk_reserve_of) of the file system
/// that `path` is on would be left with `needed` more bytes in it.
void check_free_space_blocking(const std::string& path, std::uint64_t needed,
                               std::uint64_t reserve = 0);

}  // namespace banger::vm
