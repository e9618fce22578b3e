#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace banger {

/// One step forward of a long operation. Units are bytes unless `item` says otherwise.
struct Progress {
    std::string stage;          ///< "resolve", "download", "extract", "merge", "write", "boot", …
    std::string item;           ///< what it is about: a layer's short digest, a file; may be empty
    std::uint64_t done = 0;     ///< bytes so far
    std::uint64_t total = 0;    ///< bytes expected; 0 when not known
    std::string message;        ///< a sentence for people; may be empty
    std::uint64_t busy_ms = 0;  ///< stage "profile" only: how long `item` worked in all,
    std::uint64_t waiting_ms = 0;  ///< and waited for its neighbours
};

/// Receives progress, on the io_context's thread only. May be empty.
using ProgressSink = std::function<void(const Progress&)>;

}  // namespace banger
