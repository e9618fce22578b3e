#include "pipelines/image/layer_decoder.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <thread>

#include "pipelines/image/chunk_queue.hpp"
#include "pipelines/io/decompress.hpp"
#include "pipelines/io/digest.hpp"
#include "pipelines/io/error.hpp"

namespace banger::image {
namespace {

constexpr std::size_t kQueuedChunks = 4;
constexpr std::uint64_t kBytesBetweenSpaceChecks = 16ull << 20;

void check_stop(const std::stop_token& stop) {
    if (stop.stop_requested()) fail(Errc::cancelled, "the layer is not wanted any more");
}

/// Content into blocks of the image, as long as the disk has room.
class BlockSink : public ContentSink {
  public:
    BlockSink(BlockWriter& blocks, const SpaceGuard& space) : blocks_(blocks), space_(space) {}

    void begin_file() override { blocks_.begin_file(); }
    void append(std::span<const std::byte> bytes) override {
        if (unchecked_ < bytes.size()) {
            space_.check_blocking();
            unchecked_ = kBytesBetweenSpaceChecks;
        }
        unchecked_ -= std::min<std::uint64_t>(unchecked_, bytes.size());
        blocks_.append(bytes);
    }
    void skip(std::uint64_t bytes) override { blocks_.skip(bytes); }
    std::vector<Extent> end_file() override { return blocks_.end_file(); }

  private:
    BlockWriter& blocks_;
    const SpaceGuard& space_;
    std::uint64_t unchecked_ = 0;  ///< bytes that may follow before the next check
};

/// The second thread's work: hashes the tar to its last byte while it is cut into entries.
class TarHalf {
  public:
    TarHalf(const LayerJob& job, ChunkQueue& queue) : job_(job), queue_(queue) {}

    void run() noexcept try {
        BlockSink sink(job_.blocks, job_.space);
        const StageTimer parsing(job_.profile.tar_parse);
        contents_ = read_tar([this] { return next_piece(); }, sink, job_.budget);
        job_.blocks.finish();
        // What is left of the whole is parsing.
        job_.profile.tar_parse.add_busy(-elsewhere_ - job_.blocks.waited());
        job_.profile.write.add_waiting(job_.blocks.waited());
    } catch (...) {
        error_ = std::current_exception();
        queue_.fail_consumer(error_);
    }

    /// After the thread has been joined.
    TarContents result() {
        if (error_) std::rethrow_exception(error_);
        const auto found = hasher_.finish();
        if (found != job_.diff_id) {
            fail(Errc::digest_mismatch, "layer {} should unpack to {} but unpacks to {}",
                 job_.blob.digest.short_hex(), job_.diff_id.to_string(), found.to_string());
        }
        return std::move(contents_);
    }

  private:
    std::span<const std::byte> next_piece() {
        check_stop(job_.stop);
        const auto began = StageMeter::Clock::now();
        if (piece_.memory) queue_.recycle(std::move(piece_));
        auto next = queue_.pop_blocking();
        const auto came = StageMeter::Clock::now();
        if (next) {
            piece_ = std::move(*next);
            hasher_.update(piece_.bytes());
        } else {
            piece_ = {};
        }
        const auto hashed = StageMeter::Clock::now();
        job_.profile.tar_hash.add_waiting(came - began);
        job_.profile.tar_hash.add_busy(hashed - came);
        job_.profile.tar_hash.add_bytes(piece_.size);
        job_.profile.tar_parse.add_bytes(piece_.size);
        elsewhere_ += hashed - began;
        return piece_.bytes();
    }

    const LayerJob& job_;
    ChunkQueue& queue_;
    Hasher hasher_{job_.diff_id.algorithm};
    Chunk piece_;
    TarContents contents_;
    StageMeter::Clock::duration elsewhere_{};  ///< of run(): time that was not spent parsing
    std::exception_ptr error_;
};

/// Inflated bytes, gathered into chunks for the other thread.
class Inflater {
  public:
    Inflater(ChunkQueue& queue, StageMeter& meter) : queue_(queue), meter_(meter) {}

    void push(std::span<const std::byte> compressed) {
        const StageTimer busy(meter_);
        if (!decoder_) decoder_ = make_decompressor(sniff_compression(compressed));
        decoder_->push(compressed, sink_);
    }
    void finish() {
        if (decoder_) decoder_->finish(sink_);
        flush();
    }

  private:
    void gather(std::span<const std::byte> plain) {
        while (!plain.empty()) {
            if (!chunk_.memory) chunk_ = queue_.take_empty();
            const auto size = std::min(plain.size(), Chunk::kCapacity - chunk_.size);
            std::memcpy(chunk_.memory.get() + chunk_.size, plain.data(), size);
            chunk_.size += size;
            plain = plain.subspan(size);
            if (chunk_.size == Chunk::kCapacity) flush();
        }
    }
    void flush() {
        if (chunk_.size == 0) return;
        meter_.add_bytes(chunk_.size);
        const auto began = StageMeter::Clock::now();
        queue_.push_blocking(std::exchange(chunk_, {}));
        const auto waited = StageMeter::Clock::now() - began;
        meter_.add_waiting(waited);
        meter_.add_busy(-waited);
    }

    ChunkQueue& queue_;
    StageMeter& meter_;
    std::unique_ptr<Decompressor> decoder_;
    Chunk chunk_;
    Decompressor::Sink sink_ = [this](std::span<const std::byte> plain) { gather(plain); };
};

/// What a broken layer throws; anything else (cancelled, no space) ends the work at once.
bool is_bad_content(const Error& error) {
    return error.code() == Errc::invalid_argument || error.code() == Errc::unsupported;
}

/// The cache only saves a later download: when it takes no more, the layer goes on without it.
template <class Step>
void try_copy(LayerJob& job, Step step) {
    if (!job.copy) return;
    try {
        step(*job.copy);
    } catch (const Error& error) {
        spdlog::warn("layer {} is not cached: {}", job.blob.digest.short_hex(), error.what());
        job.copy->discard();
        job.copy = nullptr;
    }
}

bool read_chunk(LayerJob& job, Chunk& chunk) {
    const StageTimer waiting(job.profile.blob_hash, &StageMeter::add_waiting);
    return job.read(chunk);
}

/// The first thread's work. When the content turns out to be broken it reads on, for the digest
/// alone: that tells whether the layer was built so or got damaged on its way.
void read_blob(LayerJob& job, Inflater& inflater) {
    Hasher hasher(job.blob.digest.algorithm);
    std::uint64_t size = 0;
    std::exception_ptr broken;
    Chunk chunk;
    while (read_chunk(job, chunk)) {
        check_stop(job.stop);
        {
            const StageTimer busy(job.profile.blob_hash);
            hasher.update(chunk.bytes());
        }
        job.profile.blob_hash.add_bytes(chunk.size);
        job.done = size += chunk.size;
        if (size > job.blob.size) break;
        try_copy(job, [&](auto& copy) { copy.write(chunk.bytes()); });
        if (broken) continue;
        try {
            inflater.push(chunk.bytes());
        } catch (const Error& error) {
            if (!is_bad_content(error)) throw;
            broken = std::current_exception();
        }
    }
    const auto found = hasher.finish();
    if (size != job.blob.size || found != job.blob.digest) {
        fail(Errc::digest_mismatch, "layer {} is damaged: expected {} bytes of {}, got {} of {}",
             job.blob.digest.short_hex(), job.blob.size, job.blob.digest.to_string(), size,
             found.to_string());
    }
    try_copy(job, [](auto& copy) { copy.keep(); });
    if (broken) std::rethrow_exception(broken);
    inflater.finish();
}

}  // namespace

TarContents decode_layer_blocking(LayerJob job) {
    ChunkQueue queue(kQueuedChunks);
    Inflater inflater(queue, job.profile.inflate);
    TarHalf tar(job, queue);
    std::exception_ptr error;
    std::jthread second([&tar] { tar.run(); });
    try {
        read_blob(job, inflater);
        queue.close();
    } catch (...) {
        error = std::current_exception();
        queue.fail_producer(error);
    }
    second.join();
    if (error) std::rethrow_exception(error);
    return tar.result();
}

}  // namespace banger::image
