#include "daemon/api/doctor.hpp"

#include <pwd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <optional>

#include "daemon/config.hpp"
#include "daemon/image/image_service.hpp"
#include "daemon/image/kernel_service.hpp"
#include "daemon/paths.hpp"
#include "daemon/vm/vm_service.hpp"
#include "pipelines/io/buffer_pool.hpp"
#include "pipelines/io/error.hpp"

namespace banger::api {
namespace {

constexpr std::uint64_t kMiB = 1024 * 1024;
constexpr std::uint64_t kGiB = 1024 * kMiB;
// What the ring registers; the daemon has one pool of this size.
constexpr std::uint64_t kPinned = 7 * BufferPool::kBufferSize;

DoctorRow pass(std::string check, std::string detail) {
    return {.check = std::move(check), .status = "pass", .detail = std::move(detail)};
}
DoctorRow warn(std::string check, std::string detail) {
    return {.check = std::move(check), .status = "warn", .detail = std::move(detail)};
}
DoctorRow failed(std::string check, std::string detail) {
    return {.check = std::move(check), .status = "fail", .detail = std::move(detail)};
}

DoctorRow check_directory(std::string check, const std::string& path) {
    struct stat info{};
    if (::stat(path.c_str(), &info) != 0) {
        return failed(std::move(check), fmt::format("{}: {}", path, errno_text(errno)));
    }
    if (info.st_uid != ::geteuid() || ::access(path.c_str(), R_OK | W_OK | X_OK) != 0) {
        return failed(std::move(check), fmt::format("{} belongs to uid {} and is not ours to write",
                                                    path, info.st_uid));
    }
    if ((info.st_mode & 077) != 0) {
        return warn(std::move(check),
                    fmt::format("{} is open to others; chmod 700 closes it", path));
    }
    return pass(std::move(check), path);
}

// Writing stops before the disk is full: an image in the making fails cleanly, a guest does not.
DoctorRow check_space(const std::string& path) {
    struct statvfs info{};
    if (::statvfs(path.c_str(), &info) != 0) {
        return failed("disk space", fmt::format("{}: {}", path, errno_text(errno)));
    }
    const std::uint64_t free = std::uint64_t{info.f_bavail} * info.f_frsize;
    const std::uint64_t all = std::uint64_t{info.f_blocks} * info.f_frsize;
    auto detail = fmt::format("{:.1f} GiB free below {}",
                              static_cast<double>(free) / static_cast<double>(kGiB), path);
    if (free < kGiB) return failed("disk space", detail + "; at least 1 GiB is needed");
    if (free < all / 20) return warn("disk space", detail + ", less than 5 %");
    return pass("disk space", std::move(detail));
}

DoctorRow check_writer(const std::string& writer) {
    if (writer == "io_uring") return pass("writer", "io_uring with registered buffers");
    return warn("writer", writer + "; images are written a little slower");
}

DoctorRow check_memlock() {
    rlimit limit{};
    ::getrlimit(RLIMIT_MEMLOCK, &limit);
    if (limit.rlim_cur == RLIM_INFINITY) return pass("memlock limit", "unlimited");
    auto detail = fmt::format("{} MiB may be pinned, {} MiB are wanted for io_uring's buffers",
                              limit.rlim_cur / kMiB, kPinned / kMiB);
    if (limit.rlim_cur < kPinned && ::geteuid() != 0)
        return warn("memlock limit", std::move(detail));
    return pass("memlock limit", std::move(detail));
}

/// Nothing where no logind looks after users: then nobody ends what they leave running.
std::optional<DoctorRow> check_lingering() {
    std::error_code ignored;
    const auto* user = ::getpwuid(::geteuid());
    if (::geteuid() == 0 || !user || !std::filesystem::exists("/run/systemd/users", ignored)) {
        return std::nullopt;
    }
    const auto mark = std::string("/var/lib/systemd/linger/") + user->pw_name;
    if (std::filesystem::exists(mark, ignored)) {
        return pass("lingering", "VMs outlive the last logout");
    }
    return warn(
        "lingering",
        "VMs end, or lose their daemon, at the last logout; loginctl enable-linger keeps them");
}

Task<DoctorRow> check_default_image(Services& services) {
    const auto& name = services.config.default_image;
    if (name.empty()) {
        co_return warn("default image",
                       "none is set; name one with --image or as default_image in " +
                           services.paths.config_file);
    }
    if (co_await services.images.find(name)) co_return pass("default image", name);
    co_return warn("default image", name + " is not here yet; the first run pulls it");
}

Task<DoctorRow> check_default_kernel(Services& services) {
    const auto& name = services.config.default_kernel;
    const auto kernels = co_await services.kernels.list();
    const bool found = std::any_of(kernels.begin(), kernels.end(),
                                   [&](const auto& kernel) { return kernel.name == name; });
    if (found) co_return pass("default kernel", name);
    const std::string how = "; import one with banger kernel import";
    if (name.empty()) co_return warn("default kernel", "none is set" + how);
    co_return failed("default kernel", "there is no kernel named '" + name + "'" + how);
}

Task<DoctorRow> check_records(Services& services) {
    std::string bad;
    for (const auto& vm : co_await services.vms.list()) {
        if (vm.state != "unreadable") continue;
        bad += fmt::format("{}'{}': {}", bad.empty() ? "" : "; ", vm.name, vm.error.value_or(""));
    }
    if (bad.empty()) co_return pass("vm records", "all can be read");
    co_return warn("vm records", "left alone, for they cannot be read: " + bad);
}

}  // namespace

Task<std::vector<DoctorRow>> examine(Services& services) {
    std::vector<DoctorRow> rows{check_directory("state directory", services.paths.state),
                                check_directory("runtime directory", services.paths.runtime),
                                check_space(services.paths.state), check_writer(services.writer),
                                check_memlock()};
    if (auto row = check_lingering()) rows.push_back(std::move(*row));
    const auto backend = co_await services.check_backend();
    rows.insert(rows.end(), backend.begin(), backend.end());
    rows.push_back(co_await check_records(services));
    rows.push_back(co_await check_default_image(services));
    rows.push_back(co_await check_default_kernel(services));
    co_return rows;
}

}  // namespace banger::api
