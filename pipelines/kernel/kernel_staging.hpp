#pragma once

#include <memory>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "pipelines/kernel/kernel_import.hpp"

namespace banger::kernel {

/// The directory an import fills. Made by it, and removed with all that is in it unless finish()
/// was reached. Every file is hashed on its way and synced; the directory becomes a kernel by a
/// rename, which is its caller's business.
class KernelStaging {
  public:
    /// Throws Error{already_exists} when the directory is there: it is somebody else's.
    explicit KernelStaging(std::string directory);
    ~KernelStaging();
    KernelStaging(const KernelStaging&) = delete;
    KernelStaging& operator=(const KernelStaging&) = delete;

    /// Paths are relative, without "..", and new; parents are made.
    void write(const std::string& path, std::string_view bytes);
    /// A file in pieces, one file at a time: begin, append as often as need be, end.
    void begin(const std::string& path);
    void append(std::string_view bytes);
    void end();
    /// Copies a regular file.
    void copy(const std::string& path, const std::string& source, const std::stop_token& stop);

    std::string path_of(const std::string& path) const { return directory_ + "/" + path; }
    const std::vector<KernelFile>& files() const { return files_; }

    /// Writes manifest.json, syncs the directories and keeps them.
    void finish(const KernelManifest& manifest);

  private:
    class Writer;
    void make_parents(const std::string& path);

    std::string directory_;
    std::unique_ptr<Writer> open_;
    std::string open_path_;
    std::set<std::string> directories_;
    std::vector<KernelFile> files_;
    bool kept_ = false;
};

}  // namespace banger::kernel
