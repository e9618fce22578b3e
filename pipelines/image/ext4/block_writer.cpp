#include "pipelines/image/ext4/block_writer.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

#include "pipelines/io/error.hpp"

namespace banger::image {
namespace {

/// Of one file; they are in memory until the image is written.
constexpr std::size_t kMaxExtents = 1 << 20;

bool is_zero(const std::byte* block) {
    return block[0] == std::byte{0} && std::memcmp(block, block + 1, kBlockSize - 1) == 0;
}

}  // namespace

struct BlockWriter::State {
    const SlabPlan& plan;
    const std::size_t layer;
    BufferPool& buffers;
    FileWriter& file;
    const std::stop_token stop;

    Lease slab{};                  ///< being filled; none before the first byte
    std::uint64_t slab_index = 0;  ///< of this layer, of the slab being filled or next to be
    std::uint64_t slab_start = 0;  ///< its first block, once it is being filled
    std::uint32_t slab_used = 0;   ///< whole blocks in it
    std::size_t fill = 0;          ///< bytes of the block after those
    std::uint64_t blocks = 0;
    std::uint64_t end = 0;
    std::uint64_t logical = 0;  ///< number of the file's block that is being filled
    std::vector<Extent> extents{};
    std::chrono::steady_clock::duration waited{};

    std::byte* block() {
        if (!slab) lease_slab();
        return slab.bytes().data() + std::size_t{slab_used} * kBlockSize;
    }

    void lease_slab() {
        const auto began = std::chrono::steady_clock::now();
        slab = buffers.lease_blocking(stop);
        slab_start = plan.slab(layer, slab_index);
        waited += std::chrono::steady_clock::now() - began;
    }

    /// The block is full: it stays, or is a hole and its place is used again.
    void end_block() {
        fill = 0;
        if (!is_zero(block())) keep_block();
        ++logical;
    }

    void keep_block() {
        if (logical >= std::numeric_limits<std::uint32_t>::max()) {
            fail(Errc::unsupported, "a file is larger than the 16 TiB that ext4 allows");
        }
        const std::uint64_t physical = slab_start + slab_used;
        add_to_extents(static_cast<std::uint32_t>(logical), physical);
        ++blocks;
        end = std::max(end, physical + 1);
        if (++slab_used == SlabPlan::kSlabBlocks) flush();
    }

    void add_to_extents(std::uint32_t file_block, std::uint64_t physical) {
        if (!extents.empty()) {
            Extent& last = extents.back();
            if (last.logical + last.count == file_block && last.physical + last.count == physical) {
                ++last.count;
                return;
            }
        }
        if (extents.size() == kMaxExtents) {
            fail(Errc::unsupported, "a file has more than the limit of {} pieces between holes",
                 kMaxExtents);
        }
        extents.push_back({file_block, physical, 1});
    }

    void flush() {
        if (slab_used == 0) return;
        file.write(std::move(slab), std::size_t{slab_used} * kBlockSize, slab_start * kBlockSize);
        slab = Lease{};
        ++slab_index;
        slab_used = 0;
    }

    void pad(std::size_t bytes) {
        std::memset(block() + fill, 0, bytes);
        fill += bytes;
        if (fill == kBlockSize) end_block();
    }
};

BlockWriter::BlockWriter(const SlabPlan& plan, std::size_t layer, BufferPool& buffers,
                         FileWriter& file, std::stop_token stop)
    : state_(new State{plan, layer, buffers, file, std::move(stop)}) {}

BlockWriter::~BlockWriter() = default;

void BlockWriter::begin_file() {
    state_->fill = 0;
    state_->logical = 0;
    state_->extents.clear();
}

void BlockWriter::append(std::span<const std::byte> bytes) {
    State& state = *state_;
    while (!bytes.empty()) {
        std::size_t size = std::min(bytes.size(), kBlockSize - state.fill);
        std::memcpy(state.block() + state.fill, bytes.data(), size);
        state.fill += size;
        if (state.fill == kBlockSize) state.end_block();
        bytes = bytes.subspan(size);
    }
}

void BlockWriter::skip(std::uint64_t bytes) {
    State& state = *state_;
    if (state.fill > 0) {
        auto size =
            static_cast<std::size_t>(std::min<std::uint64_t>(bytes, kBlockSize - state.fill));
        state.pad(size);
        bytes -= size;
    }
    state.logical += bytes / kBlockSize;
    if (bytes % kBlockSize != 0) state.pad(bytes % kBlockSize);
}

std::vector<Extent> BlockWriter::end_file() {
    if (state_->fill > 0) state_->pad(kBlockSize - state_->fill);
    return std::exchange(state_->extents, {});
}

void BlockWriter::finish() {
    state_->flush();
}

std::uint64_t BlockWriter::blocks_written() const {
    return state_->blocks;
}

std::uint64_t BlockWriter::end_block() const {
    return state_->end;
}

std::chrono::steady_clock::duration BlockWriter::waited() const {
    return state_->waited;
}

}  // namespace banger::image
