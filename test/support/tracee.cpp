#include "test/support/tracee.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <climits>
#include <filesystem>
#include <fstream>
#include <system_error>

namespace banger::test {

namespace fs = std::filesystem;

std::string Tracee::memory(std::uint64_t address, std::size_t size) const {
    std::string bytes(size, '\0');
    std::size_t done = 0;
    while (done < size) {
        iovec here{bytes.data() + done, size - done};
        // An address of the other process, which only the kernel follows.
        iovec there{reinterpret_cast<void*>(address + done),  // NOLINT(performance-no-int-to-ptr)
                    size - done};
        const auto count = ::process_vm_readv(thread_, &here, 1, &there, 1, 0);
        if (count <= 0) break;
        done += static_cast<std::size_t>(count);
    }
    bytes.resize(done);
    return bytes;
}

std::string Tracee::text(std::uint64_t address) const {
    // Page by page: the one behind the text may not be there.
    constexpr std::uint64_t kPage = 4096;
    std::string result;
    while (result.size() < PATH_MAX) {
        const auto piece = memory(address, kPage - address % kPage);
        const auto end = piece.find('\0');
        result += piece.substr(0, end);
        if (end != std::string::npos || piece.empty()) break;
        address += piece.size();
    }
    return result;
}

std::string Tracee::path(int directory_fd, std::uint64_t name) const {
    const fs::path given = text(name);
    if (given.is_absolute()) return given.lexically_normal();
    std::error_code ignored;
    const fs::path directory = directory_fd == AT_FDCWD ? fs::read_symlink(in_proc("cwd"), ignored)
                                                        : fs::path(path_of(directory_fd));
    return (directory / given).lexically_normal();
}

std::string Tracee::path_of(int fd) const {
    std::error_code ignored;
    return fs::read_symlink(in_proc("fd/" + std::to_string(fd)), ignored);
}

std::uint64_t Tracee::inode_of(int fd) const {
    struct stat status{};
    const auto path = in_proc("fd/" + std::to_string(fd));
    return ::stat(path.c_str(), &status) == 0 ? status.st_ino : 0;
}

std::uint64_t Tracee::position_of(int fd) const {
    std::ifstream info(in_proc("fdinfo/" + std::to_string(fd)));
    std::string label;
    std::uint64_t position = 0;
    info >> label >> position;
    return position;
}

std::string Tracee::in_proc(const std::string& name) const {
    return "/proc/" + std::to_string(thread_) + "/" + name;
}

}  // namespace banger::test
