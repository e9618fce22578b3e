#pragma once

#include <sys/mount.h>

#include <string>

namespace banger::test {

/// A tmpfs of `size` ("64m", as in tmpfs(5)) over the directory `at`, until the end of the test.
/// False where it could not be mounted: only root may.
class SmallDisk {
  public:
    SmallDisk(std::string at, const std::string& size)
        : at_(std::move(at)),
          is_mounted_(::mount("tmpfs", at_.c_str(), "tmpfs", 0, ("size=" + size).c_str()) == 0) {}
    ~SmallDisk() {
        if (is_mounted_) ::umount2(at_.c_str(), MNT_DETACH);
    }
    SmallDisk(const SmallDisk&) = delete;
    SmallDisk& operator=(const SmallDisk&) = delete;

    explicit operator bool() const { return is_mounted_; }

  private:
    std::string at_;
    bool is_mounted_;
};

}  // namespace banger::test
