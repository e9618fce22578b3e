#pragma once

#include <string>

namespace banger {

/// Sets up spdlog's default logger on standard error: "trace" … "error"; throws on another level.
/// Lines carry a time stamp, or a journald priority prefix (sd-daemon(3)) when $JOURNAL_STREAM is
/// set.
void setup_logging(const std::string& level);

}  // namespace banger
