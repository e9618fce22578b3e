#include "pipelines/image/blob_unpacker.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstring>
#include <thread>
#include <utility>

#include "pipelines/io/decompress.hpp"
#include "pipelines/io/error.hpp"

namespace banger::image {
namespace {

constexpr std::size_t kQueuedChunks = 4;

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

/// What a broken blob throws; anything else (cancelled, no space) ends the work at once.
bool is_bad_content(const Error& error) {
    return error.code() == Errc::invalid_argument || error.code() == Errc::unsupported;
}

/// The cache only saves a later download: when it takes no more, the layer goes on without it.
template <class Step>
void try_copy(BlobJob& job, Step step) {
    if (!job.copy) return;
    try {
        step(*job.copy);
    } catch (const Error& error) {
        spdlog::warn("{} is not cached: {}", job.name, error.what());
        job.copy->discard();
        job.copy = nullptr;
    }
}

bool read_chunk(BlobJob& job, Chunk& chunk) {
    const StageTimer waiting(job.profile.blob_hash, &StageMeter::add_waiting);
    return job.read(chunk);
}

/// The first thread's work. When the content turns out to be broken it reads on, for the digest
/// alone: that tells whether the layer was built so or got damaged on its way.
void read_blob(BlobJob& job, Inflater& inflater) {
    Hasher hasher(job.digest ? job.digest->algorithm : "sha256");
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
        if (job.digest && size > job.size) break;
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
    if (job.digest && (size != job.size || found != *job.digest)) {
        fail(Errc::digest_mismatch, "{} is damaged: expected {} bytes of {}, got {} of {}",
             job.name, job.size, job.digest->to_string(), size, found.to_string());
    }
    try_copy(job, [](auto& copy) { copy.keep(); });
    if (broken) std::rethrow_exception(broken);
    inflater.finish();
}

}  // namespace

void check_stop(const std::stop_token& stop) {
    if (stop.stop_requested()) fail(Errc::cancelled, "it is not wanted any more");
}

std::span<const std::byte> PlainPieces::next() {
    check_stop(stop_);
    if (piece_.memory) queue_.recycle(std::move(piece_));
    auto next = queue_.pop_blocking();
    piece_ = next ? std::move(*next) : Chunk{};
    return piece_.bytes();
}

void unpack_blob_blocking(BlobJob& job, const std::function<void(PlainPieces&)>& consume) {
    ChunkQueue queue(kQueuedChunks);
    Inflater inflater(queue, job.profile.inflate);
    std::exception_ptr error;
    std::exception_ptr consumer_error;
    std::jthread second([&] {
        try {
            PlainPieces pieces(queue, job.stop);
            consume(pieces);
        } catch (...) {
            consumer_error = std::current_exception();
            queue.fail_consumer(consumer_error);
        }
    });
    try {
        read_blob(job, inflater);
        queue.close();
    } catch (...) {
        error = std::current_exception();
        queue.fail_producer(error);
    }
    second.join();
    if (error) std::rethrow_exception(error);
    if (consumer_error) std::rethrow_exception(consumer_error);
}

}  // namespace banger::image
