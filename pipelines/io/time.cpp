#include "pipelines/io/time.hpp"

#include <fmt/chrono.h>

#include <chrono>

namespace banger {

std::string now_rfc3339() {
    return to_rfc3339(std::chrono::system_clock::now());
}

std::string to_rfc3339(std::chrono::system_clock::time_point time) {
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch());
    return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z",
                       fmt::gmtime(std::chrono::system_clock::to_time_t(time)), ms.count() % 1000);
}

}  // namespace banger
