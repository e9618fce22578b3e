#pragma once

namespace banger::guest {

/// In the initramfs: /proc, /sys, /dev, and the console as descriptors 0 to 2.
void mount_kernel_file_systems();

/// In the root: /dev/pts, /dev/shm, /run, /sys/fs/cgroup (cgroup 2) and the customary links in
/// /dev.
void mount_system_file_systems();

}  // namespace banger::guest
