#pragma once

#include "guest/vsock-agent/settings.hpp"

namespace banger::guest {

/// Waits for the disks, joins them to the root file system and makes it "/": afterwards this
/// process is chrooted into it, /proc, /sys and /dev have moved along, and the initramfs is freed.
/// Gives up with a verdict when there is no usable root.
void enter_root(DiskMode mode);

}  // namespace banger::guest
