#pragma once

#include <string>

// Debian 12 has Catch2 2, Debian 13 has Catch2 3; this is the one place that knows.
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
namespace banger::test {
using Catch::Matchers::ContainsSubstring;
}
#else
#include <catch2/catch.hpp>
namespace banger::test {
inline auto ContainsSubstring(const std::string& part) {
    return Catch::Contains(part);
}
}  // namespace banger::test
#endif
