#include "pipelines/image/blob_work.hpp"

#include <boost/system/system_error.hpp>

#include "pipelines/io/blocking_pool.hpp"
#include "pipelines/io/byte_pipe.hpp"
#include "pipelines/io/wait.hpp"

namespace banger::image {
namespace {

/// 2 MiB of a download may wait for its decoder.
constexpr std::size_t kPipeChunks = 8;

/// Full chunks from a file.
ReadChunk read_from(const Blob& blob, StageMeter& meter) {
    return [&blob, &meter, at = std::uint64_t{0}](Chunk& chunk) mutable {
        const StageTimer busy(meter);
        if (!chunk.memory) {
            chunk.memory = std::make_unique_for_overwrite<std::byte[]>(Chunk::kCapacity);
        }
        chunk.size = blob.read_at(at, chunk.writable());
        at += chunk.size;
        meter.add_bytes(chunk.size);
        return chunk.size > 0;
    };
}

ReadChunk read_from(BytePipe& pipe, std::stop_token stop) {
    return [&pipe, stop](Chunk& chunk) {
        if (chunk.memory) pipe.recycle(std::move(chunk));
        auto next = pipe.pop_blocking(stop);
        if (!next) return false;
        chunk = std::move(*next);
        return true;
    };
}

Task<bool> fill(BlobStream& stream, Chunk& chunk, StageMeter& meter) {
    const StageTimer busy(meter);
    chunk.size = 0;
    while (chunk.size < Chunk::kCapacity) {
        const auto count = co_await stream.read_some(chunk.writable().subspan(chunk.size));
        if (count == 0) break;
        chunk.size += count;
    }
    meter.add_bytes(chunk.size);
    co_return chunk.size > 0;
}

/// The loop's half of a download. The worker at the other end tells how it went, whoever failed: so
/// an error here goes through the pipe, and the worker's giving up is no error here.
Task<void> feed(BlobStream& stream, BytePipe& pipe, StageMeter& meter) {
    try {
        for (;;) {
            auto chunk = pipe.take_empty();
            if (!co_await fill(stream, chunk, meter)) break;
            const StageTimer waiting(meter, &StageMeter::add_waiting);
            co_await pipe.push(std::move(chunk));
        }
        pipe.close();
    } catch (const boost::system::system_error&) {
        pipe.fail(std::current_exception());
        throw;
    } catch (...) {
        pipe.fail(std::current_exception());
    }
}

/// Lets the download know when the worker has gone, whatever ended it.
struct AbandonAtEnd {
    BytePipe& pipe;
    ~AbandonAtEnd() { pipe.abandon(); }
};

}  // namespace

Task<void> work_through(const PullContext& context, Blob& blob, StageMeter& network,
                        BlobWork work) {
    if (blob.file) {
        co_await run_blocking(context.pool, [&](std::stop_token stop) {
            work(read_from(blob, network), std::move(stop));
        });
        co_return;
    }
    BytePipe pipe(context.executor, kPipeChunks);
    auto on_pool = [&](std::stop_token stop) {
        const AbandonAtEnd abandon{pipe};
        work(read_from(pipe, stop), stop);
    };
    co_await when_all(feed(*blob.stream, pipe, network), run_blocking(context.pool, on_pool));
}

}  // namespace banger::image
