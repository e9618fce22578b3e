#pragma once

// A sanitizer's own memory is many times the program's: figures of memory say nothing then.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define BANGER_COUNTS_MEMORY 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define BANGER_COUNTS_MEMORY 0
#else
#define BANGER_COUNTS_MEMORY 1
#endif
#else
#define BANGER_COUNTS_MEMORY 1
#endif

namespace banger::test {

inline constexpr bool kCountsMemory = BANGER_COUNTS_MEMORY == 1;

}  // namespace banger::test
