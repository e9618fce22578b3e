#include "daemon/vm/file_tail.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "pipelines/io/unique_fd.hpp"

namespace banger::vm {

std::string read_tail_blocking(const std::string& path, std::size_t bytes) {
    UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat status{};
    if (!fd || ::fstat(fd.get(), &status) != 0) return {};
    auto size = std::min<std::uint64_t>(bytes, static_cast<std::uint64_t>(status.st_size));
    std::string text(size, '\0');
    auto got = ::pread(fd.get(), text.data(), size, status.st_size - static_cast<off_t>(size));
    text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return text;
}

bool give_back_head_blocking(const std::string& path, std::uint64_t keep) {
    constexpr std::uint64_t kBlock = 4096;
    UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    struct stat status{};
    if (!fd || ::fstat(fd.get(), &status) != 0) return false;
    auto held = static_cast<std::uint64_t>(status.st_blocks) * 512;
    auto size = static_cast<std::uint64_t>(status.st_size);
    if (held <= keep || size <= keep) return false;
    auto head = (size - keep) / kBlock * kBlock;
    int mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
    return head > 0 && ::fallocate(fd.get(), mode, 0, static_cast<off_t>(head)) == 0;
}

}  // namespace banger::vm
