#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "test/support/tracee.hpp"

namespace banger::test {

/// One change of a file or directory on its way: known when its system call is entered, true when
/// that has returned.
struct FileChange {
    enum class Kind {
        create,
        write,
        size,
        grow,
        punch,
        zero,
        sync,
        mkdir,
        rename,
        exchange,
        unlink,
        unmodelled
    };
    Kind kind{};
    int fd = -1;
    std::uint64_t inode = 0;
    std::string path;
    std::string to;  ///< of a rename or an exchange
    std::optional<std::uint64_t> offset;
    std::uint64_t size = 0;
    std::vector<std::pair<std::uint64_t, std::uint64_t>> memory;  ///< address, length
    bool existed = false;                                         ///< before a create
    bool truncates = false;
    std::uint64_t since = 0;  ///< lines of the log when it was entered
};

/// Which system calls change something below `root`.
class FileChanges {
  public:
    explicit FileChanges(std::string root) : root_(std::move(root)) {}
    /// Nothing for a call that changes nothing there. What would change something in a way that the
    /// log has no word for is `unmodelled`, with the call's name as its path.
    std::optional<FileChange> find(const Tracee& tracee, const SystemCall& call) const;

  private:
    bool is_below(const std::string& path) const;
    std::optional<FileChange> find_by_fd(const Tracee& tracee, const SystemCall& call) const;
    std::optional<FileChange> find_by_path(const Tracee& tracee, const SystemCall& call) const;
    std::optional<FileChange> find_open(const std::string& path, std::uint64_t flags) const;
    std::optional<FileChange> find_unmodelled(const Tracee& tracee, const SystemCall& call) const;
    std::string root_;
};

}  // namespace banger::test
