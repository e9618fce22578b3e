#pragma once

#include <string>
#include <string_view>

#include "pipelines/io/unique_fd.hpp"

namespace banger {

/// A file that becomes visible under its name whole or not at all: written to a temporary name in
/// the same directory, fsynced, renamed, directory fsynced. Not published when destroyed before
/// publish().
class AtomicFile {
  public:
    /// The temporary name is `path` + ".tmp-" + random, so that a sweep can know it.
    explicit AtomicFile(std::string path, unsigned mode = 0644);
    ~AtomicFile();
    AtomicFile(const AtomicFile&) = delete;
    AtomicFile& operator=(const AtomicFile&) = delete;

    int fd() const noexcept { return fd_.get(); }
    void write(std::string_view bytes);
    /// Blocks for two fsyncs.
    void publish_blocking();

  private:
    std::string path_;
    std::string temporary_;
    UniqueFd fd_;
};

/// write(2) until all of `bytes` are in; an error names `name`.
void write_all(int fd, std::string_view bytes, std::string_view name);
/// A file that nobody wants after a crash: written in its place, and not synced.
void write_passing_file(const std::string& path, std::string_view bytes, unsigned mode = 0644);
/// Writes all of `bytes` to `path` as AtomicFile does.
void write_file_atomically(const std::string& path, std::string_view bytes, unsigned mode = 0644);
/// The whole file; throws Error{invalid_argument} when it is larger than `limit` bytes.
std::string read_file(const std::string& path, std::size_t limit = 64u << 20);
/// fsync(2) of a directory or file by name.
void sync_path(const std::string& path);

}  // namespace banger
