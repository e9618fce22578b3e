#include "pipelines/image/ext4/block_map.hpp"

#include <algorithm>
#include <bit>

#include "pipelines/io/error.hpp"

namespace banger::image {
namespace {

// words() is handed out as the bytes of an ext4 bitmap.
static_assert(std::endian::native == std::endian::little);

constexpr std::uint64_t kBits = 64;

/// `count` ones from bit `first` of a word on.
std::uint64_t mask(std::uint64_t first, std::uint64_t count) {
    std::uint64_t ones = count == kBits ? ~0ULL : (1ULL << count) - 1;
    return ones << first;
}

/// Calls visit(word index, mask) for each word a run touches.
template <class Visit>
void for_each_word(BlockRun run, Visit visit) {
    while (run.count > 0) {
        std::uint64_t first = run.start % kBits;
        std::uint64_t count = std::min(run.count, kBits - first);
        visit(run.start / kBits, mask(first, count));
        run.start += count;
        run.count -= count;
    }
}

}  // namespace

BlockMap::BlockMap(std::uint64_t blocks) : size_(blocks), words_((blocks + kBits - 1) / kBits) {}

bool BlockMap::mark(BlockRun run) {
    if (run.start > size_ || run.count > size_ - run.start || used_in(run) != 0) return false;
    set(run);
    return true;
}

void BlockMap::set(BlockRun run) {
    for_each_word(run, [&](std::uint64_t word, std::uint64_t bits) { words_[word] |= bits; });
    used_ += run.count;
}

std::uint64_t BlockMap::used_in(BlockRun run) const {
    std::uint64_t used = 0;
    for_each_word(run, [&](std::uint64_t word, std::uint64_t bits) {
        used += static_cast<std::uint64_t>(std::popcount(words_[word] & bits));
    });
    return used;
}

/// The first block from `from` on that is in use (or free); size() when there is none.
std::uint64_t BlockMap::find(std::uint64_t from, bool used) const {
    while (from < size_) {
        std::uint64_t word = words_[from / kBits];
        if (!used) word = ~word;
        word >>= from % kBits;
        if (word != 0) {
            return std::min(size_, from + static_cast<std::uint64_t>(std::countr_zero(word)));
        }
        from = (from / kBits + 1) * kBits;
    }
    return size_;
}

std::vector<BlockRun> BlockMap::take(std::uint64_t count) {
    std::vector<BlockRun> runs;
    while (count > 0) {
        next_ = find(next_, false);
        if (next_ == size_)
            fail(Errc::no_space, "the file system of {} bytes is full", size_ * kBlockSize);
        std::uint64_t size = std::min(find(next_, true) - next_, count);
        runs.push_back({next_, size});
        set(runs.back());
        next_ += size;
        count -= size;
    }
    return runs;
}

std::uint64_t BlockMap::take_run(std::uint64_t count) {
    while (next_run_ < size_) {
        std::uint64_t start = find(next_run_, false);
        std::uint64_t end = find(start, true);
        if (end - start >= count) {
            set({start, count});
            next_run_ = start + count;
            return start;
        }
        next_run_ = end;
    }
    fail(Errc::no_space, "the file system of {} bytes has no {} neighbouring blocks left",
         size_ * kBlockSize, count);
}

void BlockMap::for_each_free(const std::function<void(BlockRun)>& visit) const {
    for (std::uint64_t start = find(0, false); start < size_;) {
        std::uint64_t end = find(start, true);
        visit({start, end - start});
        start = find(end, false);
    }
}

}  // namespace banger::image
