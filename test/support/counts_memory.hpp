#pragma once

namespace banger::test {

// A sanitizer's own memory is many times the program's: figures of memory say nothing then.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kCountsMemory = false;
#elif defined(__has_feature)
inline constexpr bool kCountsMemory =
    !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer);
#else
inline constexpr bool kCountsMemory = true;
#endif

}  // namespace banger::test
