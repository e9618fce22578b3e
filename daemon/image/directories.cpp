#include "daemon/image/directories.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>
#include <vector>

#include "pipelines/io/atomic_file.hpp"
#include "pipelines/io/blocking_pool.hpp"
#include "pipelines/io/error.hpp"

namespace banger {
namespace {

namespace fs = std::filesystem;

constexpr const char* kDeleted = ".deleted";
constexpr const char* kStaging = ".staging";

void rename_synced(const std::string& from, const std::string& to) {
    if (::rename(from.c_str(), to.c_str()) != 0)
        fail_errno(errno, "cannot rename {} to {}", from, to);
    sync_path(fs::path(to).parent_path());
}

void remove_tree(const fs::path& path) {
    std::error_code error;
    fs::remove_all(path, error);
    if (error) fail_errno(error.value(), "cannot remove {}", path.string());
}

}  // namespace

void make_directories_blocking(const std::string& path) {
    std::error_code ignored;
    std::vector<fs::path> missing;
    for (fs::path part = path; !part.empty() && !fs::exists(part, ignored);
         part = part.parent_path())
        missing.push_back(part);
    for (auto part = missing.rbegin(); part != missing.rend(); ++part) {
        if (::mkdir(part->c_str(), 0700) != 0 && errno != EEXIST) {
            fail_errno(errno, "cannot make the directory {}", part->string());
        }
        sync_path(part->parent_path());
    }
    fs::permissions(path, fs::perms::owner_all, ignored);
}

void remove_directory_blocking(const std::string& path) {
    const std::string away = path + kDeleted;
    remove_tree(away);
    if (::rename(path.c_str(), away.c_str()) != 0) {
        if (errno == ENOENT) return;
        fail_errno(errno, "cannot rename {}", path);
    }
    sync_path(fs::path(path).parent_path());
    remove_tree(away);
}

Task<void> publish(BlockingPool& pool, std::string staging, std::string final_path) {
    co_await run_blocking(pool, [&](std::stop_token) {
        // What stands there without a record, VMs may still hold: it is there until the new one is.
        if (::renameat2(AT_FDCWD, staging.c_str(), AT_FDCWD, final_path.c_str(), RENAME_EXCHANGE) ==
            0) {
            sync_path(fs::path(final_path).parent_path());
            remove_tree(staging);
            return;
        }
        if (errno != ENOENT) remove_directory_blocking(final_path);
        rename_synced(staging, final_path);
    });
}

StagingDirectory::~StagingDirectory() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
}

void sweep_directory_blocking(const std::string& parent,
                              const std::function<bool(const std::string&)>& wanted) {
    std::vector<fs::path> doomed;
    for (const auto& entry : fs::directory_iterator(parent)) {
        const std::string name = entry.path().filename();
        if (name.ends_with(kDeleted) || name.ends_with(kStaging) || !wanted(name)) {
            doomed.push_back(entry.path());
        }
    }
    for (const auto& path : doomed)
        remove_tree(path);
}

void sweep_temporaries_blocking(const std::string& parent) {
    if (!fs::exists(parent)) return;
    std::vector<fs::path> doomed;
    for (const auto& entry : fs::recursive_directory_iterator(parent)) {
        if (entry.path().filename().string().find(".tmp-") != std::string::npos) {
            doomed.push_back(entry.path());
        }
    }
    for (const auto& path : doomed)
        remove_tree(path);
}

}  // namespace banger
