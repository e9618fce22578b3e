#pragma once

#include <cstddef>

namespace banger::test {

/// What this program has on its heap by operator new, from when this was made: for tests that hold
/// a figure of memory. Only in programs that counted_new.cpp is linked into, and not under
/// sanitizers (see counts_memory.hpp). One at a time; threads are not told apart.
class AllocationPeak {
  public:
    AllocationPeak();
    std::size_t now() const;
    std::size_t highest() const;

  private:
    std::size_t before_;
};

}  // namespace banger::test
