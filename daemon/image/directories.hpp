#pragma once

#include <functional>
#include <string>

#include "pipelines/io/task.hpp"

namespace banger {

class BlockingPool;

/// Steps that make a directory appear or vanish whole. All of them block and are synced when they
/// return.

/// Makes `path` and its missing parents, 0700. Each is synced into its own parent: what is promised
/// to be on disk below it is worth no more than the way there.
void make_directories_blocking(const std::string& path);

/// Renames `staging` to `final_path`, on the pool, and syncs the parent. What stood there, without
/// a record, goes; the two change places at once, so that there is no moment without either.
Task<void> publish(BlockingPool& pool, std::string staging, std::string final_path);

/// Renames `path` away first, so that it is gone at once and a crash leaves only what a sweep
/// knows; then removes the tree. Nothing there is fine.
void remove_directory_blocking(const std::string& path);

/// Removes every entry of `parent` that is half made (.staging), half removed (.deleted), or for
/// which `wanted` says no.
void sweep_directory_blocking(const std::string& parent,
                              const std::function<bool(const std::string& name)>& wanted);

/// Removes the temporary files (AtomicFile's, the blob cache's) that a killed daemon left anywhere
/// below `parent`. No such directory is fine.
void sweep_temporaries_blocking(const std::string& parent);

/// A directory being filled: what is still there under its name when this goes is removed.
class StagingDirectory {
  public:
    explicit StagingDirectory(std::string path) : path_(std::move(path)) {}
    ~StagingDirectory();
    StagingDirectory(const StagingDirectory&) = delete;
    StagingDirectory& operator=(const StagingDirectory&) = delete;
    const std::string& path() const { return path_; }

  private:
    std::string path_;
};

}  // namespace banger
