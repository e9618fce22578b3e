#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <string>

namespace banger::test {

/// A system call as it is entered.
struct SystemCall {
    std::uint64_t number = 0;
    std::array<std::uint64_t, 6> arguments{};
    int fd(std::size_t index) const { return static_cast<int>(arguments[index]); }
};

/// What a stopped thread of another process has in its memory and its descriptors.
class Tracee {
  public:
    explicit Tracee(pid_t thread) : thread_(thread) {}

    /// At most `size` bytes from `address`; fewer when the memory ends.
    std::string memory(std::uint64_t address, std::size_t size) const;
    std::string text(std::uint64_t address) const;
    /// The absolute path that `name` means beside directory `directory_fd`, without dots.
    std::string path(int directory_fd, std::uint64_t name) const;
    /// Where an open file is; one that was unlinked has " (deleted)" behind its name.
    std::string path_of(int fd) const;
    /// 0 for a descriptor that is not open.
    std::uint64_t inode_of(int fd) const;
    std::uint64_t position_of(int fd) const;

  private:
    std::string in_proc(const std::string& name) const;
    pid_t thread_;
};

}  // namespace banger::test
