#pragma once

#include <cstdint>

#include "daemon/vm/instance.hpp"

namespace banger::vm {

/// Bytes free on a disk at which the daemon steps in.
struct DiskMarks {
    std::uint64_t pause;   ///< below it, running VMs are paused
    std::uint64_t resume;  ///< from it on, they go on
};

/// Of a disk of `total` bytes, of which `reserve` stay free for new VMs (0: the default, see
/// disk_reserve_of). Apart, so that VMs do not stop and go at one mark.
DiskMarks disk_marks(std::uint64_t total, std::uint64_t reserve);

/// Looks each second, while VMs run, at the disk that they write to. Before it is full they are
/// paused, each with the reason in its record, and go on when there is room again: a guest never
/// sees an error of a disk that its host has promised. Whoever writes faster than that is stopped
/// by QEMU at the write that found no room (werror=enospc), and is resumed with the others; under
/// Firecracker it is told of an error. Until cancelled.
Task<void> watch_disk(VmContext& context);

}  // namespace banger::vm
