#pragma once

// Debian 12 has Catch2 2, Debian 13 has Catch2 3; this is the one place that knows.
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif
