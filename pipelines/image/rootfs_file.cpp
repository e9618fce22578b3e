#include "pipelines/image/rootfs_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/this_coro.hpp>
#include <cerrno>
#include <exception>
#include <filesystem>

#include "pipelines/io/error.hpp"

namespace banger::image {

StagingDir::StagingDir(const std::string& path) {
    if (::mkdir(path.c_str(), 0700) != 0) {
        fail_errno(errno, "cannot make the directory {}", path);
    }
    path_ = path;
}

/// Three unlinks: not worth a thread, and they must not wait for a busy pool.
StagingDir::~StagingDir() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
}

UniqueFd make_rootfs(const std::string& path) {
    constexpr int kFlags = O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC;
    UniqueFd fd(::open(path.c_str(), kFlags | O_DIRECT, 0600));
    if (fd || errno != EINVAL) {
        if (!fd) fail_errno(errno, "cannot make {}", path);
        return fd;
    }
    // Some file systems create the file before they refuse O_DIRECT.
    ::unlink(path.c_str());
    return open_file(path, kFlags, 0600);
}

Task<void> with_flush(FileWriter& file, Task<void> work) {
    std::exception_ptr error;
    try {
        co_await std::move(work);
        co_await file.flush();
    } catch (...) {
        error = std::current_exception();
    }
    if (!error) co_return;
    co_await boost::asio::this_coro::reset_cancellation_state(boost::asio::disable_cancellation());
    try {
        co_await file.flush();
    } catch (const std::exception&) {
        // The first error is the one that counts.
    }
    co_await boost::asio::this_coro::reset_cancellation_state(
        boost::asio::enable_terminal_cancellation());
    std::rethrow_exception(error);
}

}  // namespace banger::image
