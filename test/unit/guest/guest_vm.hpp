#pragma once

#include <sys/types.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "test/support/temp_dir.hpp"
#include "test/unit/guest/agent_client.hpp"

namespace banger::test {

/// Where BANGER_GUEST_TEST_DIR points to: vmlinux, modules/*.ko and, for some tests, debian.ext4.
/// Empty when it is not set, and then guests are not booted.
std::string guest_material();

/// One real guest under QEMU's TCG, its agent on a virtio-serial port. Killed with the object.
class GuestVm {
  public:
    struct Options {
        std::string settings;  ///< JSON members besides hostname, network and modules
        std::string base;      ///< the image's disk; empty: none at all
        std::string disk;      ///< the VM's own disk
        bool base_is_writable = false;
    };

    GuestVm(const TempDir& directory, const Options& options);
    ~GuestVm();

    /// The next connection of QEMU's to our listener.
    guest::Fd accept(std::chrono::milliseconds deadline = std::chrono::seconds(60));
    /// True when QEMU has ended by itself in time.
    bool wait_exit(std::chrono::milliseconds deadline);
    std::string serial_log() const;

  private:
    void start(const Options& options);

    const TempDir& directory_;
    guest::Fd listener_;
    pid_t pid_ = -1;
};

/// An ext4 of the tree; or an empty, sparse one.
void make_ext4(const std::string& file, const std::string& tree, int megabytes);
/// A root with busybox and nothing else but passwd, group and a file in /root.
void make_busybox_tree(const std::string& directory);

}  // namespace banger::test
