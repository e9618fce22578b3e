#include "pipelines/kernel/kernel_staging.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>

#include "pipelines/io/atomic_file.hpp"
#include "pipelines/io/digest.hpp"
#include "pipelines/io/error.hpp"
#include "pipelines/io/json.hpp"
#include "pipelines/io/unique_fd.hpp"

namespace banger::kernel {

namespace fs = std::filesystem;

/// One new file: hashed while it is written, synced at the end.
class KernelStaging::Writer {
  public:
    explicit Writer(const std::string& path)
        : path_(path), fd_(open_file(path, O_WRONLY | O_CREAT | O_EXCL, 0644)) {}

    void write(std::string_view bytes) {
        hasher_.update(bytes);
        written_ += bytes.size();
        while (!bytes.empty()) {
            const auto count = ::write(fd_.get(), bytes.data(), bytes.size());
            if (count < 0 && errno == EINTR) continue;
            if (count < 0) fail_errno(errno, "cannot write {}", path_);
            bytes.remove_prefix(static_cast<std::size_t>(count));
        }
    }

    KernelFile finish(const std::string& relative) {
        if (::fsync(fd_.get()) != 0) fail_errno(errno, "cannot sync {}", path_);
        return {relative, written_, hasher_.finish().hex};
    }

  private:
    std::string path_;
    UniqueFd fd_;
    Hasher hasher_;
    std::uint64_t written_ = 0;
};

KernelStaging::KernelStaging(std::string directory) : directory_(std::move(directory)) {
    std::error_code error;
    fs::create_directories(fs::path(directory_).parent_path(), error);
    if (::mkdir(directory_.c_str(), 0755) != 0) fail_errno(errno, "cannot make {}", directory_);
}

KernelStaging::~KernelStaging() {
    std::error_code ignored;
    if (!kept_) fs::remove_all(directory_, ignored);
}

void KernelStaging::write(const std::string& path, std::string_view bytes) {
    begin(path);
    append(bytes);
    end();
}

void KernelStaging::begin(const std::string& path) {
    make_parents(path);
    open_ = std::make_unique<Writer>(path_of(path));
    open_path_ = path;
}

void KernelStaging::append(std::string_view bytes) {
    open_->write(bytes);
}

void KernelStaging::end() {
    files_.push_back(open_->finish(open_path_));
    open_.reset();
}

void KernelStaging::copy(const std::string& path, const std::string& source,
                         const std::stop_token& stop) {
    const auto input = open_file(source, O_RDONLY | O_NONBLOCK);
    struct stat status{};
    if (::fstat(input.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
        fail(Errc::invalid_argument, "{} is no regular file", source);
    }
    begin(path);
    std::array<char, 256 * 1024> block;
    for (;;) {
        if (stop.stop_requested()) fail(Errc::cancelled, "importing {} was cancelled", source);
        const auto count = ::read(input.get(), block.data(), block.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) fail_errno(errno, "cannot read {}", source);
        if (count == 0) break;
        append({block.data(), static_cast<std::size_t>(count)});
    }
    end();
}

void KernelStaging::make_parents(const std::string& path) {
    const auto parent = fs::path(path).parent_path();
    if (parent.empty() || !directories_.insert(parent.string()).second) return;
    make_parents(parent.string());
    if (::mkdir(path_of(parent.string()).c_str(), 0755) != 0) {
        fail_errno(errno, "cannot make {}", path_of(parent.string()));
    }
}

void KernelStaging::finish(const KernelManifest& manifest) {
    Writer writer(path_of("manifest.json"));
    writer.write(boost::json::serialize(to_json(manifest)) + "\n");
    writer.finish("manifest.json");
    for (const auto& directory : directories_)
        sync_path(path_of(directory));
    sync_path(directory_);
    kept_ = true;
}

}  // namespace banger::kernel
