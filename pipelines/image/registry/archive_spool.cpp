#include "pipelines/image/registry/archive_spool.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "pipelines/io/error.hpp"

namespace banger::image {
namespace {

constexpr std::size_t kMagicSize = 4;
constexpr std::uint64_t kCheckEvery = 16ull << 20;

UniqueFd make_unnamed(const std::string& directory) {
    UniqueFd file(::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
    if (file || (errno != EOPNOTSUPP && errno != EISDIR)) {
        if (!file) fail_errno(errno, "cannot make a temporary file in {}", directory);
        return file;
    }
    // The file system has no unnamed files. Killed between these two steps, the daemon's next start
    // sweeps the name.
    auto path = directory + "/archive-XXXXXX.staging";
    file.reset(::mkostemps(path.data(), 8, O_CLOEXEC));
    if (!file) fail_errno(errno, "cannot make a temporary file in {}", directory);
    ::unlink(path.c_str());
    return file;
}

}  // namespace

ArchiveSpool::ArchiveSpool(const std::string& directory, std::uint64_t disk_reserve)
    : space_(directory, disk_reserve),
      file_(make_unnamed(directory)),
      sink_([this](std::span<const std::byte> plain) { store(plain); }) {}

ArchiveSpool::~ArchiveSpool() = default;

void ArchiveSpool::write_blocking(std::span<const std::byte> piece) {
    if (decoder_) return decoder_->push(piece, sink_);
    head_.insert(head_.end(), piece.begin(), piece.end());
    if (head_.size() >= kMagicSize) begin();
}

UniqueFd ArchiveSpool::finish_blocking() {
    if (!decoder_) begin();
    decoder_->finish(sink_);
    return std::move(file_);
}

void ArchiveSpool::begin() {
    space_.check_blocking();
    decoder_ = make_decompressor(sniff_compression(head_));
    const auto head = std::move(head_);
    decoder_->push(head, sink_);
}

void ArchiveSpool::store(std::span<const std::byte> plain) {
    size_ += plain.size();
    if (size_ > kMaxBytes) {
        fail(Errc::unsupported, "the archive is larger than the limit of {} GiB", kMaxBytes >> 30);
    }
    if (size_ - checked_at_ >= kCheckEvery) {
        space_.check_blocking();
        checked_at_ = size_;
    }
    while (!plain.empty()) {
        const auto count = ::write(file_.get(), plain.data(), plain.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) fail_errno(errno, "cannot write the archive to a temporary file");
        plain = plain.subspan(static_cast<std::size_t>(count));
    }
}

}  // namespace banger::image
