#pragma once

#include <string>

#include "pipelines/io/file_writer.hpp"
#include "pipelines/io/task.hpp"
#include "pipelines/io/unique_fd.hpp"

namespace banger::image {

/// The directory a pull works in; gone again, with all that is in it, unless the pull keeps it.
class StagingDir {
  public:
    explicit StagingDir(const std::string& path);
    ~StagingDir();
    StagingDir(const StagingDir&) = delete;
    StagingDir& operator=(const StagingDir&) = delete;

    std::string operator/(const char* name) const { return path_ + "/" + name; }
    const std::string& path() const { return path_; }
    void keep() { path_.clear(); }

  private:
    std::string path_;
};

/// A new file, open past the page cache where the file system lets us: the bytes are read next by a
/// VM, much later.
UniqueFd make_rootfs(const std::string& path);

/// Runs `work`, which writes to `file`, and waits for its writes: to their end when it succeeds,
/// and when it fails or is cancelled until none is under way any more, as they hold the descriptor
/// and the buffers.
Task<void> with_flush(FileWriter& file, Task<void> work);

}  // namespace banger::image
