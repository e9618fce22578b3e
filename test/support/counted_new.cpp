#include "test/support/counted_new.hpp"

#include <malloc.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "test/support/counts_memory.hpp"

namespace {

std::atomic<std::size_t> allocated{0};
std::atomic<std::size_t> peak{0};

/// What the C library keeps in front of each piece.
constexpr std::size_t kHeader = sizeof(std::size_t);

}  // namespace

// A sanitizer brings operators of its own.
#if BANGER_COUNTS_MEMORY
void* operator new(std::size_t size) {
    void* piece = std::malloc(size);
    if (piece == nullptr) throw std::bad_alloc();
    const auto now = allocated += ::malloc_usable_size(piece) + kHeader;
    for (auto highest = peak.load(); highest < now && !peak.compare_exchange_weak(highest, now);) {
    }
    return piece;
}

void operator delete(void* piece) noexcept {
    if (piece == nullptr) return;
    allocated -= ::malloc_usable_size(piece) + kHeader;
    std::free(piece);
}

void operator delete(void* piece, std::size_t) noexcept {
    ::operator delete(piece);
}
#endif

namespace banger::test {

AllocationPeak::AllocationPeak() : before_(allocated) {
    peak = allocated.load();
}

std::size_t AllocationPeak::now() const {
    return allocated - before_;
}

std::size_t AllocationPeak::highest() const {
    return peak - before_;
}

}  // namespace banger::test
