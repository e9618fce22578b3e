#include "pipelines/image/layer_decoder.hpp"

#include <algorithm>

#include "pipelines/io/digest.hpp"
#include "pipelines/io/error.hpp"

namespace banger::image {
namespace {

constexpr std::uint64_t kBlocksBetweenSpaceChecks = (16ull << 20) / kBlockSize;

/// Content into blocks of the image, as long as the disk has room. What counts is blocks: a million
/// files of one byte are 4 GB.
class BlockSink : public ContentSink {
  public:
    BlockSink(BlockWriter& blocks, const SpaceGuard& space) : blocks_(blocks), space_(space) {}

    void begin_file() override { blocks_.begin_file(); }
    void append(std::span<const std::byte> bytes) override {
        if (blocks_.blocks_written() >= next_check_) {
            space_.check_blocking();
            next_check_ = blocks_.blocks_written() + kBlocksBetweenSpaceChecks;
        }
        blocks_.append(bytes);
    }
    void skip(std::uint64_t bytes) override { blocks_.skip(bytes); }
    std::vector<Extent> end_file() override { return blocks_.end_file(); }

  private:
    BlockWriter& blocks_;
    const SpaceGuard& space_;
    std::uint64_t next_check_ = 0;  ///< when so many blocks have been written
};

std::string name_of(const LayerJob& job) {
    return job.blob ? "layer " + job.blob->digest.short_hex() : "the tar";
}

/// The second thread's work: hashes the tar to its last byte while it is cut into entries.
class TarHalf {
  public:
    explicit TarHalf(const LayerJob& job) : job_(job) {}

    void run(PlainPieces& pieces) {
        BlockSink sink(job_.blocks, job_.space);
        const StageTimer parsing(job_.profile.tar_parse);
        contents_ = read_tar([&] { return next_piece(pieces); }, sink, job_.budget);
        job_.blocks.finish();
        // What is left of the whole is parsing.
        job_.profile.tar_parse.add_busy(-elsewhere_ - job_.blocks.waited());
        job_.profile.write.add_waiting(job_.blocks.waited());
    }

    /// After a run that did not throw.
    TarContents result() {
        const auto found = hasher_.finish();
        if (job_.diff_id && found != *job_.diff_id) {
            fail(Errc::digest_mismatch, "{} should unpack to {} but unpacks to {}", name_of(job_),
                 job_.diff_id->to_string(), found.to_string());
        }
        if (job_.found) *job_.found = found;
        return std::move(contents_);
    }

  private:
    std::span<const std::byte> next_piece(PlainPieces& pieces) {
        const auto began = StageMeter::Clock::now();
        const auto piece = pieces.next();
        const auto came = StageMeter::Clock::now();
        job_.budget.take_stream(piece.size());
        hasher_.update(piece);
        const auto hashed = StageMeter::Clock::now();
        job_.profile.tar_hash.add_waiting(came - began);
        job_.profile.tar_hash.add_busy(hashed - came);
        job_.profile.tar_hash.add_bytes(piece.size());
        job_.profile.tar_parse.add_bytes(piece.size());
        elsewhere_ += hashed - began;
        return piece;
    }

    const LayerJob& job_;
    Hasher hasher_{job_.diff_id ? job_.diff_id->algorithm : "sha256"};
    TarContents contents_;
    StageMeter::Clock::duration elsewhere_{};  ///< of run(): time that was not spent parsing
};

}  // namespace

TarContents decode_layer_blocking(LayerJob job) {
    BlobJob blob{.name = name_of(job),
                 .digest = job.blob ? &job.blob->digest : nullptr,
                 .size = job.blob ? job.blob->size : 0,
                 .read = std::move(job.read),
                 .copy = job.copy,
                 .profile = job.profile,
                 .done = job.done,
                 .stop = job.stop};
    TarHalf tar(job);
    unpack_blob_blocking(blob, [&tar](PlainPieces& pieces) { tar.run(pieces); });
    return tar.result();
}

}  // namespace banger::image
